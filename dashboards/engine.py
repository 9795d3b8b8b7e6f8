"""Engine: does it keep up, what is refused, do pages reach people.

Law of this file: content only. Every series is of brands or of the machine, never of a person of the desk.
"""

from __future__ import annotations

from typing import Final

from dashboards.asked import FROM, NO_DESK, NO_WORDS, quantile
from dashboards.panels import Board, Panel, Query, Row

__all__ = ["ENGINE"]

ENGINE: Final = Board(
    "flashover-engine",
    "flashover: Engine",
    "For ops: does it keep up, what is refused, do pages reach people.",
    "1h",
    "10s",
    (
        Row(
            "Does it keep up",
            (
                Panel(
                    "Workers",
                    "How many answer; each shares the partitions with the others.",
                    "stat",
                    "short",
                    (Query('sum(up{job="flashover"})', "workers"),),
                    "Prometheus knows of no worker",
                    ((FROM, "red"), (1, "green")),
                    4,
                ),
                Panel(
                    "Records that wait",
                    "By topic; alerts come late by what waits.",
                    "timeseries",
                    "short",
                    (Query("topic:flashover_lag_records:sum", "{{topic}}"),),
                    "No worker has partitions yet",
                    ((FROM, "green"), (20_000, "red")),
                    10,
                ),
                Panel(
                    "Standing still",
                    "How long a partition has not moved while records wait in it.",
                    "timeseries",
                    "s",
                    (
                        Query(
                            "max by (topic, partition) (flashover_offset_age_seconds)",
                            "{{topic}} {{partition}}",
                        ),
                    ),
                    "No worker has partitions yet",
                    ((FROM, "green"), (60, "red")),
                    10,
                ),
                Panel(
                    "Records a second",
                    "By what became of them.",
                    "timeseries",
                    "cps",
                    (Query("sum by (outcome) (rate(flashover_records_total[1m]))", "{{outcome}}"),),
                    "No worker answers",
                    width=8,
                    stacked=True,
                ),
                Panel(
                    "Time for one record",
                    "Decode, dedupe, step, judge: without Kafka.",
                    "timeseries",
                    "s",
                    (Query("flashover:step_seconds:mean5m", "mean"),),
                    "No record within five minutes",
                    width=8,
                ),
                Panel(
                    "Behind the events",
                    "Wall clock less the latest event time; years while an old recording is played.",
                    "timeseries",
                    "s",
                    (Query("max by (partition) (flashover_event_delay_seconds)", "partition {{partition}}"),),
                    "No mention was read yet",
                    width=8,
                ),
            ),
        ),
        Row(
            "State and writes",
            (
                Panel(
                    "Flush",
                    "Time to make durable what was taken: median and slowest hundredth.",
                    "timeseries",
                    "s",
                    (
                        Query(quantile(0.5, "flashover_flush_seconds", "5m", "", ""), "median"),
                        Query(quantile(0.99, "flashover_flush_seconds", "5m", "", ""), "99 %"),
                    ),
                    "Nothing was flushed within five minutes",
                    ((FROM, "green"), (2.5, "red")),
                    8,
                ),
                Panel(
                    "State",
                    "Records of state that are held: threads, mostly.",
                    "timeseries",
                    "short",
                    (Query("sum by (instance) (flashover_state_records)", "{{instance}}"),),
                    "No worker has partitions yet",
                    width=8,
                ),
                Panel(
                    "Memory",
                    "Resident bytes of each worker.",
                    "timeseries",
                    "bytes",
                    (Query('process_resident_memory_bytes{job="flashover"}', "{{instance}}"),),
                    "No worker answers",
                    width=8,
                ),
                Panel(
                    "Processor",
                    "Share of one core; a worker uses one.",
                    "timeseries",
                    "percentunit",
                    (Query('rate(process_cpu_seconds_total{job="flashover"}[1m])', "{{instance}}"),),
                    "No worker answers",
                    ((FROM, "green"), (0.9, "red")),
                    8,
                ),
                Panel(
                    "Partitions given out anew",
                    "Rebalances of half an hour, and workers that read their state back now.",
                    "timeseries",
                    "short",
                    (
                        Query("sum(increase(flashover_rebalances_total[30m]))", "rebalances"),
                        Query("sum(flashover_recovering)", "reading state back"),
                    ),
                    "No worker answers",
                    width=8,
                ),
                Panel(
                    "The page of metrics",
                    "What a scrape takes.",
                    "timeseries",
                    "s",
                    (Query('scrape_duration_seconds{job="flashover"}', "{{instance}}"),),
                    "Prometheus knows of no worker",
                    ((FROM, "green"), (1, "red")),
                    8,
                ),
            ),
        ),
        Row(
            "What goes wrong",
            (
                Panel(
                    "Refused",
                    "Records that broke a rule, by rule, in five minutes. `flashover rejects list` shows them.",
                    "timeseries",
                    "short",
                    (Query("sum by (reason) (increase(flashover_rejects_total[5m]))", "{{reason}}"),),
                    "Nothing was refused",
                    width=8,
                    bars=True,
                    stacked=True,
                ),
                Panel(
                    "Late, foreign, refused thresholds",
                    "Mentions far behind their thread, pulses of another version, thresholds that were not taken.",
                    "timeseries",
                    "short",
                    (
                        Query("sum(increase(flashover_late_mentions_total[5m]))", "late mentions"),
                        Query("sum(increase(flashover_foreign_pulses_total[5m]))", "foreign pulses"),
                        Query(
                            'sum(increase(flashover_threshold_changes_total{outcome="refused"}[5m]))',
                            "refused thresholds",
                        ),
                    ),
                    "No worker answers",
                    width=8,
                ),
                Panel(
                    "The Kafka client complains",
                    "Warnings and errors in its log, in five minutes.",
                    "timeseries",
                    "short",
                    (Query("sum by (level) (increase(flashover_broker_errors_total[5m]))", "{{level}}"),),
                    "No complaint yet",
                    width=8,
                    bars=True,
                ),
            ),
        ),
        Row(
            "In and out",
            (
                Panel(
                    "Pages that came late",
                    "Of the page-level alerts, those that no channel had taken after 60 s. Objective: 1 % in 28 days.",
                    "timeseries",
                    "percentunit",
                    (
                        Query("flashover:page_deliveries_late:share1h", "1 hour"),
                        Query("flashover:page_deliveries_late:share28d", "28 days"),
                    ),
                    NO_DESK,
                    ((FROM, "green"), (0.01, "red")),
                    8,
                    high=1,
                ),
                Panel(
                    "Deliveries",
                    "Attempts of five minutes, by channel and outcome.",
                    "timeseries",
                    "short",
                    (
                        Query(
                            "sum by (channel, outcome) (increase(flashover_deliveries_total[5m]))",
                            "{{channel}}: {{outcome}}",
                        ),
                    ),
                    NO_DESK,
                    width=8,
                    bars=True,
                    stacked=True,
                ),
                Panel(
                    "Sources",
                    "Mentions a minute that each brought, and its errors.",
                    "timeseries",
                    "short",
                    (
                        Query(
                            "sum by (source) (rate(flashover_source_mentions_total[5m])) * 60", "{{source}}"
                        ),
                        Query(
                            "sum by (source) (rate(flashover_source_errors_total[5m])) * 60",
                            "{{source}}, errors",
                        ),
                    ),
                    "No source is running",
                    width=8,
                ),
                Panel(
                    "Texts read a second",
                    "Only those of threads that have left calm are read.",
                    "timeseries",
                    "cps",
                    (Query("sum by (brand) (rate(flashover_scored_texts_total[5m]))", "{{brand}}"),),
                    NO_WORDS,
                    width=24,
                    height=6,
                ),
            ),
        ),
    ),
)
