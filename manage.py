"""Door 3, operators: the command line, for scripts, cron and support. `manage.py --help` lists it."""

import sys

import typer

from commands import (
    audit,
    backups,
    bank,
    closing,
    demo,
    desk,
    doctor,
    exports,
    legacy,
    moving,
    payments,
    payouts,
    people,
    privacy,
    registrations,
    rules,
    run,
    statements,
    surplus,
    systems,
    worker,
)
from db.session import DatabaseUnfit
from payments.errors import PaymentsError

cli = typer.Typer(
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    help="Paydesk: the desk where an event's money is watched.",
)
cli.command()(run.run)
cli.command()(desk.install)
cli.command()(desk.migrate)
cli.command()(demo.seed)
cli.command()(worker.worker)
cli.command("sync")(desk.sync_)
cli.command()(desk.check)
cli.command()(doctor.doctor)
cli.command()(desk.status)
cli.command()(desk.inbox)
cli.command()(backups.backup)
cli.command()(backups.fetch_backup)
cli.command()(backups.restore)
cli.command()(moving.move_to_postgres)
cli.command("verify-audit")(audit.verify_audit)
cli.command("retention")(privacy.retention_)
cli.command()(privacy.reseal)
cli.command("access-list")(privacy.access_list)
cli.command("new-key")(desk.new_key)
cli.command()(payments.link)
cli.command()(payments.payment)
cli.command()(payments.find)
cli.command()(exports.export)
cli.command("verify-export")(exports.verify_export)
cli.command()(statements.read_statement)
cli.command("bank-account")(bank.account)
cli.command()(bank.import_statement)
cli.command()(bank.undo_import)
cli.command()(bank.propose)
cli.command()(bank.accept)
cli.command()(bank.undo)
cli.command("exceptions")(bank.list_exceptions)
cli.command()(closing.sign_off)
cli.command()(legacy.import_legacy)
cli.command()(registrations.import_registrations)
cli.command()(systems.api_key)
cli.command()(systems.notify)
cli.command(hidden=True)(bank.sample_statements)
cli.add_typer(payouts.app, name="payouts")
cli.add_typer(rules.app, name="rules")
cli.add_typer(surplus.app, name="surplus")
cli.add_typer(people.app, name="person")
cli.command(hidden=True)(demo.simulator)
cli.command(hidden=True)(demo.traffic)


def main() -> None:
    """Run a command. What a person can act on is a sentence and exit 1; a traceback is a bug."""
    try:
        cli()
    except (PaymentsError, DatabaseUnfit) as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
