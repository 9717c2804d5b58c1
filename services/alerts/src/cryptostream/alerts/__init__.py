"""Alerts and alarms, delivered to people.

Market alerts come from Kafka, the pipeline's own alarms from Alertmanager; both become events.
An event goes to the chats that subscribed to it, through an outbox that survives a kill.
Imports run one way:
`model` <- `parse`, `policy`, `limits`, `backoff`, `text`, `picture`, `commands`, `answers` (pure)
<- `database`, `outbox`, `chats` (sqlite) <- `channels`, `botapi`, `telegram`, `search`, `kafka`,
`webhook` (I/O) <- `intake`, `courier`, `receipts`, `desk` (work) <- `__main__` (wiring).
"""
