"""Dashboards and rules: data for Grafana, Prometheus and Alertmanager, and the code that builds the former."""
