"""`whisperjob keys`: makes, lists, ends and replaces the API keys of a service. Heavy imports are inside the commands.

They change the file `keys.json` and speak to no service: each service that watches the file's folder takes the change
over within seconds.
"""

import sys
from datetime import UTC, datetime, timedelta
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, Final

import typer

from whisperjob_cli.exit_codes import LOCAL_EXIT_CODES
from whisperjob_cli.plain_errors import plain_errors
from whisperjob_cli.terminal import echo, echo_json, print_table

if TYPE_CHECKING:
    from whisperjob_api.keys.key_records import KeyChange, KeyRecord

keys_app = typer.Typer(
    help="The API keys of a service: a change needs no restart.", no_args_is_help=True, rich_markup_mode=None
)


class ScopeName(StrEnum):
    """The scopes of `whisperjob_api.keys.scopes`, which is not imported for `--help`; a test compares them."""

    SUBMIT = "submit"
    READ = "read"
    DELETE = "delete"
    ADMIN = "admin"


_OVERLAP: Final = "1d"
_COLUMNS: Final = ("ID", "STATE", "TENANT", "SCOPES", "EXPIRES", "LAST USED", "NAME")

KeysFolder = Annotated[
    Path,
    typer.Option(
        "--folder",
        file_okay=False,
        envvar=["WHISPERJOB_KEYS_FOLDER", "WHISPERJOB_DATA_DIR", "DATA_DIR"],
        help="Folder of keys.json: the service's data folder, or one whose file becomes a Secret.",
    ),
]
KeyId = Annotated[str, typer.Argument(metavar="ID", help="The key's id: what is between the first two underscores.")]


def _parse_duration(text: str) -> timedelta:
    from pydantic import TypeAdapter, ValidationError

    from whisperjob.model.settings import Duration

    try:
        duration: timedelta = TypeAdapter(Duration).validate_python(text)
        if duration < timedelta(0) or duration > timedelta(days=36_500):
            raise typer.BadParameter("it must be between 0 and 100 years.")
    except (ValidationError, OverflowError):
        raise typer.BadParameter("write it as 90d, 12h, 15m or 30s.") from None
    return duration


@keys_app.command(epilog=LOCAL_EXIT_CODES)
def create(
    name: Annotated[str, typer.Argument(help="What the key is for, to recognise it in the list.")],
    tenant: Annotated[str, typer.Option(help="Whose jobs it is about.")] = "default",
    scope: Annotated[
        list[ScopeName] | None,
        typer.Option(help="What it may do; once for each. admin: everything.  Default: submit, read and delete."),
    ] = None,
    expires: Annotated[
        str | None, typer.Option(metavar="DURATION", help="It ends after this time, such as 90d.  Default: never.")
    ] = None,
    folder: KeysFolder = Path("data"),
) -> None:
    """Make a key, and print it: this once, since the service stores its hash only."""
    with plain_errors():
        from whisperjob_api.keys.key_folder import change_records
        from whisperjob_api.keys.key_records import create_key
        from whisperjob_api.keys.scopes import USUAL_SCOPES, Scope

        lifetime = None if expires is None else _parse_duration(expires)
        if lifetime == timedelta(0):
            raise typer.BadParameter("a key that ends at once is of no use.", param_hint="--expires")
        scopes = [Scope(one) for one in scope or USUAL_SCOPES]

        _print_created(
            change_records(folder, lambda file: create_key(file, name, tenant, scopes, lifetime, datetime.now(UTC)))
        )


@keys_app.command("list", epilog=LOCAL_EXIT_CODES)
def list_keys(
    folder: KeysFolder = Path("data"),
    as_json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """List the keys: whose they are, what they may do, when they end and when they were used last."""
    with plain_errors():
        import json

        from whisperjob_api.keys.key_folder import load_records
        from whisperjob_api.keys.last_use import load_last_uses

        now, used = datetime.now(UTC), load_last_uses(folder)
        rows = [_describe(record, used.get(record.id), now) for record in load_records(folder).keys]
        if as_json:
            echo_json(json.dumps({"keys": rows}, indent=2))
        else:
            print_table(_COLUMNS, map(_to_cells, rows), cut="NAME")
        if (folder / "api-key").exists():
            echo(
                f"{folder / 'api-key'} has one more key, of the tenant default, which may do everything. "
                "Remove the file when nobody uses that key.",
                err=True,
            )


@keys_app.command(epilog=LOCAL_EXIT_CODES)
def revoke(key_id: KeyId, folder: KeysFolder = Path("data")) -> None:
    """End a key now."""
    with plain_errors():
        from whisperjob_api.keys.key_folder import change_records
        from whisperjob_api.keys.key_records import revoke_key

        change_records(folder, lambda file: revoke_key(file, key_id, datetime.now(UTC)))
        echo(f"The key {key_id} is revoked.", err=True)


@keys_app.command(epilog=LOCAL_EXIT_CODES)
def rotate(
    key_id: KeyId,
    overlap: Annotated[
        str, typer.Option(metavar="DURATION", help="How long the old key stays valid; 0s ends it now.")
    ] = _OVERLAP,
    folder: KeysFolder = Path("data"),
) -> None:
    """Make a key that may do the same, and let the old one end a little later."""
    with plain_errors():
        from whisperjob_api.keys.key_folder import change_records
        from whisperjob_api.keys.key_records import rotate_key

        lasts = _parse_duration(overlap)

        changed = change_records(folder, lambda file: rotate_key(file, key_id, lasts, datetime.now(UTC)))
        _print_created(changed)
        old = changed.file.find(key_id)
        if old.revoked_at is None and old.expires_at is not None:
            echo(f"The old key {key_id} is valid until {_to_text(old.expires_at)}.", err=True)
        else:
            echo(f"The old key {key_id} is revoked.", err=True)


def _print_created(created: "KeyChange") -> None:
    """Prints the key alone on standard output, so that a script can take it from there."""
    record = created.record
    end = "never ends" if record.expires_at is None else f"ends at {_to_text(record.expires_at)}"
    echo(
        f"The key {record.id} ({record.name}) of the tenant {record.tenant} may {', '.join(record.scopes)} and {end}. "
        "It is shown this once:",
        err=True,
    )
    echo(created.text or "")
    sys.stdout.flush()


def _to_text(time: datetime) -> str:
    return time.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")


def _describe(record: "KeyRecord", used: datetime | None, now: datetime) -> dict[str, Any]:
    return {
        "id": record.id,
        "name": record.name,
        "tenant": record.tenant,
        "scopes": [str(scope) for scope in record.scopes],
        "state": "revoked" if record.revoked_at else "expired" if record.ended_at(now) else "valid",
        "createdAt": _to_text(record.created_at),
        "expiresAt": record.expires_at and _to_text(record.expires_at),
        "revokedAt": record.revoked_at and _to_text(record.revoked_at),
        "lastUsedAt": used and _to_text(used),
    }


def _to_cells(row: dict[str, Any]) -> tuple[str, ...]:
    return (
        *(row["id"], row["state"], row["tenant"], ",".join(row["scopes"])),
        *((row["expiresAt"] or "never")[:16], (row["lastUsedAt"] or "")[:16], row["name"]),
    )
