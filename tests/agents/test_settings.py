"""Settings come from file and environment, are told wrong all at once, and keep their secrets."""

from __future__ import annotations

import traceback
from pathlib import Path

import pytest
from pydantic import SecretStr, ValidationError

from agents.errors import SettingsError
from agents.settings import read_settings, unknown_variables
from streams.mention import Mention
from streams.params import ThreadParams

pytestmark = pytest.mark.usefixtures("clean_settings")


def write(text: str) -> None:
    Path("flashover.toml").write_text(text)


def problems() -> tuple[str, ...]:
    with pytest.raises(SettingsError) as caught:
        read_settings()
    return caught.value.problems


def test_nothing_set_means_a_broker_on_this_machine() -> None:
    settings = read_settings()
    assert settings.brokers == ("localhost:9092",)
    assert settings.thresholds == ThreadParams()
    assert settings.has_development_key


def test_the_environment_is_stronger_than_the_file_field_by_field(monkeypatch: pytest.MonkeyPatch) -> None:
    write('brokers = ["file:1"]\npartitions = 3\n[thresholds]\npage = 0.9\nwarn = 0.8')
    monkeypatch.setenv("FLASHOVER_BROKERS", "one:9092, two:9092")
    monkeypatch.setenv("FLASHOVER_THRESHOLDS__PAGE", "0.95")
    settings = read_settings()
    assert settings.brokers == ("one:9092", "two:9092")
    assert settings.partitions == 3
    assert (settings.thresholds.page, settings.thresholds.warn) == (0.95, 0.8)


def test_an_empty_variable_counts_as_unset(monkeypatch: pytest.MonkeyPatch) -> None:
    """As docker compose passes a variable that nobody set."""
    monkeypatch.setenv("FLASHOVER_AUTHOR_KEY", "")
    assert read_settings().has_development_key


def test_the_file_is_where_flashover_config_says(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "other.toml").write_text("partitions = 5")
    monkeypatch.setenv("FLASHOVER_CONFIG", str(tmp_path / "other.toml"))
    assert read_settings().partitions == 5
    monkeypatch.setenv("FLASHOVER_CONFIG", str(tmp_path / "absent.toml"))
    assert problems() == (f"{tmp_path / 'absent.toml'}: there is no such file",)


def test_all_errors_come_at_once_each_with_name_trouble_and_source(monkeypatch: pytest.MonkeyPatch) -> None:
    write(
        'partitions = 0\nlog_level = "loud"\n[thresholds]\nwarn = 0.9\npagee = 0.5\n'
        '[brands.acme]\nviral_at = 1\naccounts = [""]'
    )
    monkeypatch.setenv("FLASHOVER_BROKERS", "nowhere")
    monkeypatch.setenv("FLASHOVER_REPLICATION", "many")
    monkeypatch.setenv("FLASHOVER_SECURITY_PROTOCOL", "sasl_ssl")
    monkeypatch.setenv("FLASHOVER_BRANDS__ACME__COLOUR", "red")
    assert set(problems()) == {
        "brokers: 'nowhere' is not host:port (environment variable FLASHOVER_BROKERS)",
        "partitions: must be at least 1, not 0 (flashover.toml, line 1)",
        "replication: must be a whole number, not 'many' (environment variable FLASHOVER_REPLICATION)",
        "brands.acme.accounts: an account must not be empty (flashover.toml, line 8)",
        "brands.acme.viral_at: must be a whole number from 2 on, or top-1%, not 1 (flashover.toml, line 7)",
        "brands.acme.colour: there is no such setting (environment variable FLASHOVER_BRANDS__ACME__COLOUR)",
        "thresholds.pagee: there is no such setting; is page meant? (flashover.toml, line 5)",
        "log_level: must be 'debug', 'info', 'warning' or 'error', not 'loud' (flashover.toml, line 2)",
        "sasl_mechanism: security_protocol SASL_SSL needs it (default)",
        "sasl_username: security_protocol SASL_SSL needs it (default)",
        "sasl_password: security_protocol SASL_SSL needs it (default)",
    }


def test_thresholds_that_make_no_sense_are_refused_by_the_core(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHOVER_THRESHOLDS__WATCH", "0.9")
    (problem,) = problems()
    assert problem.startswith("thresholds: need 0 < watch < warn < page")
    assert problem.endswith("(environment variables FLASHOVER_THRESHOLDS__*)")


@pytest.mark.parametrize("text", ["partitions = ", "\xff\xfe", "[brands"])
def test_a_file_that_is_no_toml_is_named(text: str) -> None:
    Path("flashover.toml").write_bytes(text.encode("latin-1"))
    (problem,) = problems()
    assert problem.startswith("flashover.toml: is not ")


def test_what_should_be_json_and_is_not_is_reported_with_the_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHOVER_BRANDS", "{acme")
    monkeypatch.setenv("FLASHOVER_PARTITIONS", "0")
    assert [one.split(":")[0] for one in problems()] == ["partitions", "brands"]


def test_secrets_show_nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHOVER_AUTHOR_KEY", "hush-author-key-0123")
    monkeypatch.setenv("FLASHOVER_SASL_PASSWORD", "hush-password")
    settings = read_settings()
    assert "hush" not in repr(settings) + str(settings) + settings.model_dump_json()
    assert settings.author_key.get_secret_value() == "hush-author-key-0123"


def test_secrets_show_in_no_error_not_even_under_a_mistyped_name(monkeypatch: pytest.MonkeyPatch) -> None:
    write('sasl_pasword = "hush-1"\nsasl_password = ["hush-2"]\n[brands.acme]\nauthor_key = "hush-3"')
    Path("numbers.toml").write_text("sasl_password = 47114711")  # a number where a text belongs
    monkeypatch.setenv("FLASHOVER_AUTHOR_KEY", "hush" * 20)
    try:
        read_settings()
    except SettingsError as error:
        shown = "".join(traceback.format_exception(error)) + repr(error) + repr(error.__context__)
    assert "author_key: it must have 1 to 64 bytes, and has 80" in shown
    assert "there is no such setting; is sasl_password meant?" in shown
    monkeypatch.setenv("FLASHOVER_CONFIG", "numbers.toml")
    monkeypatch.delenv("FLASHOVER_AUTHOR_KEY")
    shown += str(problems())
    assert "sasl_password: must be a text (numbers.toml, line 1)" in shown
    assert "hush" not in shown
    assert "4711" not in shown


def test_an_error_never_steers_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("FLASHOVER_PARTITIONS", "\x1b[31m8")
    (problem,) = problems()
    assert "\x1b" not in problem


def test_settings_are_frozen() -> None:
    with pytest.raises(ValidationError):
        read_settings().partitions = 9


def test_an_account_is_plain_in_whatever_form_it_is_written() -> None:
    write('[brands.acme]\naccounts = ["@Acme", " X:@Acme ", "mastodon:@help@acme.example", "did:plc:a"]')
    assert read_settings().brands["acme"].accounts == (
        "acme", "x:acme", "mastodon:help@acme.example", "did:plc:a",
    )  # fmt: skip
    write('[brands.acme]\naccounts = ["x:@"]')
    with pytest.raises(SettingsError, match="an account must not be empty"):
        read_settings()


def test_a_brand_has_its_own_size_of_storm_and_its_own_accounts() -> None:
    write('[brands.acme]\naccounts = ["@Acme_Help"]\nviral_at = 300\n[brands.other]')
    settings = read_settings()
    assert settings.params_for("acme").viral_at == 300
    assert settings.params_for("other") == settings.params_for("unheard-of") == ThreadParams()
    record = (
        b'{"id":"1","brand":"acme","platform":"x","thread_id":"1",'
        b'"author":{"id":"9","handle":"@acme_help"},"created_at":1767225600000}'
    )
    mention = settings.decoder().decode(record, 1767225600000)
    assert isinstance(mention, Mention)
    assert mention.from_brand


def test_the_size_of_a_storm_is_a_number_or_learned() -> None:
    """In the general thresholds and for a brand, in the file and in the environment."""
    learned = 'viral_at = "top-1%"'
    write(f"[thresholds]\n{learned}\n[brands.acme]\nviral_at = 300\n[brands.other]\n{learned}")
    settings = read_settings()
    assert [settings.params_for(one).viral_at for one in ("acme", "other", "new")] == [
        300,
        "top-1%",
        "top-1%",
    ]


@pytest.mark.parametrize("wrong", ["1", "abc", "12.5", "top-2%"])
def test_another_size_of_a_storm_is_one_sentence(monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    monkeypatch.setenv("FLASHOVER_THRESHOLDS__VIRAL_AT", wrong)
    with pytest.raises(SettingsError) as refused:
        read_settings()
    assert len(refused.value.problems) == 1
    assert "viral_at" in refused.value.problems[0]


def test_params_follow_a_copy() -> None:
    write("[brands.acme]\nviral_at = 300")
    settings = read_settings()
    settings.params_for("acme")
    changed = settings.model_copy(update={"thresholds": ThreadParams(page=0.9)})
    assert changed.params_for("acme") == ThreadParams(page=0.9, viral_at=300)


def test_kafka_python_gets_address_and_credentials(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    (tmp_path / "ca.pem").touch()
    for name, value in {
        "BROKERS": "[::1]:9092",
        "SECURITY_PROTOCOL": "sasl_ssl",
        "SASL_MECHANISM": "scram-sha-512",
        "SASL_USERNAME": "flash",
        "SASL_PASSWORD": "hush",
        "SSL_CAFILE": str(tmp_path / "ca.pem"),
    }.items():
        monkeypatch.setenv("FLASHOVER_" + name, value)
    settings = read_settings()
    assert settings.sasl_password == SecretStr("hush")
    assert settings.kafka_python_kwargs() == {
        "bootstrap_servers": ["[::1]:9092"],
        "security_protocol": "SASL_SSL",
        "sasl_mechanism": "SCRAM-SHA-512",
        "sasl_plain_username": "flash",
        "sasl_plain_password": "hush",
        "ssl_cafile": str(tmp_path / "ca.pem"),
    }


def test_a_variable_that_is_no_setting_is_told_and_does_no_harm(monkeypatch: pytest.MonkeyPatch) -> None:
    """A cluster that runs a service called flashover sets FLASHOVER_PORT; a person mistypes."""
    monkeypatch.setenv("FLASHOVER_BROKER", "here:9092")
    monkeypatch.setenv("FLASHOVER_THRESHOLDS__PAGE", "0.9")
    read_settings()
    assert unknown_variables() == ["FLASHOVER_BROKER is no setting; is FLASHOVER_BROKERS meant?"]


def test_a_secret_may_lie_in_a_file(clean_settings: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """As containers get it; the variable itself is the stronger."""
    file = clean_settings / "key"
    file.write_text("from-a-file\n")
    monkeypatch.setenv("FLASHOVER_AUTHOR_KEY_FILE", str(file))
    assert read_settings().author_key.get_secret_value() == "from-a-file"
    assert unknown_variables() == []
    monkeypatch.setenv("FLASHOVER_AUTHOR_KEY", "from-the-variable")
    assert read_settings().author_key.get_secret_value() == "from-the-variable"


def test_a_secret_whose_file_is_missing_is_an_error(
    clean_settings: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FLASHOVER_AUTHOR_KEY_FILE", str(clean_settings / "nowhere"))
    with pytest.raises(SettingsError, match=r"author_key: .*nowhere can't be read"):
        read_settings()
