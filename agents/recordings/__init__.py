"""The bundled recording: two storms among calm threads, written for this project (README.md)."""
