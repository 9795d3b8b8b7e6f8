"""The bundled recording: two storms among calm threads, written for this project (README.md)."""

from pathlib import Path

RECORDING = Path(__file__).parent / "two-storms.jsonl.gz"
