"""Dashboards as code: what Kibana and Grafana show, built here and kept as JSON with the chart."""
