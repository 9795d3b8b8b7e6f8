"""`flashover source`: what its settings may be, what a trial shows, and that a trial writes nothing."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from agents.cli import cli
from agents.errors import SettingsError
from agents.listen import reader_of
from agents.settings import read_settings
from agents.source_settings import SourceSettings
from agents.sources import kinds
from agents.sources.kinds import KINDS
from agents.sources.source import Context, UnusableError

BRANDS = '[brands.acme]\nnames = ["Acme"]\naccounts = ["bluesky:acme.example", "did:plc:acme", "help"]\n'


@pytest.fixture
def write(clean_settings: Path) -> Path:
    return clean_settings / "flashover.toml"


def run(*arguments: str) -> Result:
    return CliRunner().invoke(cli, ["source", *arguments])


def problems(path: Path, text: str) -> str:
    path.write_text(text)
    with pytest.raises(SettingsError) as caught:
        read_settings()
    return "\n".join(caught.value.problems)


def test_all_errors_of_all_sources_come_at_once(write: Path) -> None:
    """Each names its source and field; what stands in the field is not shown: it may be a secret."""
    said = problems(
        write,
        '[sources.one]\nkind = "mastodon"\nserver = "s.example"\ntokn = "hush-hush"\n'
        '[sources.two]\nkind = "feeds"\nurls = ["ftp://x"]\ninterval_s = 5\n'
        '[sources.three]\nkind = "telegraph"\n'
        '[sources.four]\nservers = ["x"]\n'
        '[sources."Not-A-Name"]\nkind = "bluesky"\n',
    )
    for expected in (
        "sources.one.tokn: there is no such setting",
        "sources.two.urls: ftp://x: an address begins with http",
        "sources.two.interval_s: must be at least 60",
        "sources.three: no such kind",
        "'bluesky'",
        "sources.four: needs a kind",
        "sources.Not-A-Name: must match",
    ):
        assert expected in said
    assert "hush-hush" not in said


def test_a_token_may_lie_in_a_file_and_is_masked(
    write: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    secret = tmp_path / "token"
    secret.write_text("hush-hush\n")
    write.write_text(
        f'[sources.fedi]\nkind = "mastodon"\nserver = "s.example"\ntoken = {{ file = "{secret}" }}\n'
    )
    settings = read_settings()
    assert settings.sources["fedi"].token.get_secret_value() == "hush-hush"  # type: ignore[union-attr]
    assert "hush-hush" not in repr(settings)
    monkeypatch.setenv("FLASHOVER_SOURCES__FEDI__TOKEN", "louder")
    assert read_settings().sources["fedi"].token.get_secret_value() == "louder"  # type: ignore[union-attr]
    monkeypatch.delenv("FLASHOVER_SOURCES__FEDI__TOKEN")
    secret.unlink()
    with pytest.raises(SettingsError, match=r"sources\.fedi\.token: its file can't be read"):
        read_settings()


def test_every_kind_that_can_be_set_can_be_made() -> None:
    """The union of settings and the registry name the same kinds, and a kind's module imports."""
    union = SourceSettings.__origin__.__args__  # type: ignore[attr-defined]
    assert {one.model_fields["kind"].annotation.__args__[0] for one in union} == set(KINDS)
    for name, kind in KINDS.items():
        assert kind.settings.model_fields["kind"].annotation.__args__[0] == name  # type: ignore[union-attr]


def test_a_missing_library_names_its_extra(monkeypatch: pytest.MonkeyPatch, write: Path) -> None:
    def broken(*_: object) -> None:
        raise ImportError("no", name="zstandard")

    write.write_text('[sources.sky]\nkind = "bluesky"\n')
    given = read_settings().sources["sky"]
    monkeypatch.setitem(kinds.KINDS, "bluesky", KINDS["bluesky"]._replace(make=broken, extra="zstd"))  # type: ignore[arg-type]
    with pytest.raises(UnusableError, match=r"needs zstandard.*flashover\[zstd\]"):
        kinds.make(given, Context("sky"))


def test_a_source_knows_the_brands_accounts_on_its_platform(
    write: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    contexts: list[Context] = []

    def keep(_: object, context: Context) -> None:
        contexts.append(context)

    write.write_text(BRANDS + '[sources.sky]\nkind = "bluesky"\n')
    monkeypatch.setattr("agents.listen.make", keep)
    reader_of("sky", read_settings())
    assert contexts[0].accounts == {"acme.example", "did:plc:acme", "help"}
    assert contexts[0].wants("I like Acme")
    assert not contexts[0].wants("I like tea")


def posts(folder: Path) -> Path:
    path = folder / "posts.jsonl"
    rows = [
        {"id": "1", "created_at": "2026-05-28T20:00:00Z", "text": "Acme \x1b[2J cut me off"},
        {"id": "2", "created_at": "2026-05-28T20:00:00Z", "text": "me too", "parent_id": "1"},
        {"id": "3", "created_at": "2026-05-28T20:00:00Z", "text": "nothing"},
        {"id": "4", "created_at": "soon", "text": "Acme"},
    ]
    path.write_text("".join(json.dumps(row) + "\n" for row in rows))
    return path


def test_a_trial_shows_what_would_be_taken_in(write: Path, tmp_path: Path) -> None:
    """From the platform itself or from a file of payloads; a stranger's text does nothing to the terminal."""
    path = posts(tmp_path)
    write.write_text(BRANDS + f'[sources.box]\nkind = "file"\npaths = ["{path}"]\n')
    for arguments in (("try", "box"), ("try", "box", "--payloads", str(path))):
        result = run(*arguments)
        assert result.exit_code == 0, result.output
        assert "acme             post     file:1  Acme \\x1b[2J cut me off" in result.stdout
        assert "acme             reply    file:2  me too" in result.stdout
        assert "refused   bad-field: no moment" in result.stdout
        assert "2 would be taken in, 1 refused; passed over: 1 no-brand" in result.stderr
        assert "\x1b" not in result.output


def test_a_trial_ends_at_its_limit_and_says_if_there_was_nothing(write: Path, tmp_path: Path) -> None:
    path = posts(tmp_path)
    write.write_text(BRANDS + f'[sources.box]\nkind = "file"\npaths = ["{path}"]\n')
    limited = run("try", "box", "--limit", "1", "--json")
    assert [json.loads(line)["id"] for line in limited.stdout.splitlines()] == ["file:1"]
    path.write_text("")
    assert run("try", "box").exit_code == 1


def test_an_unknown_source_is_wrong_usage_and_the_known_are_told(write: Path) -> None:
    write.write_text('[sources.sky]\nkind = "bluesky"\n')
    result = run("run", "skye")
    assert result.exit_code == 2
    assert "there are: sky" in result.stderr
    write.write_text("")
    assert run("run").exit_code == 2


def test_without_a_source_the_list_tells_the_kinds_and_asks_no_broker(write: Path) -> None:
    write.write_text("")
    result = run("list")
    assert result.exit_code == 0
    for kind in KINDS:
        assert f"kind {kind:12} needs" in result.stdout
