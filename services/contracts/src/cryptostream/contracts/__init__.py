"""What crosses a process boundary, and the conventions every room follows.

Pure: no client library is imported here, and the clock is always an argument.
"""
