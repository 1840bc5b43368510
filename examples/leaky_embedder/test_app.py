import app


def test_a_script_reads_a_report():
    with app.make_supervisor() as supervisor:
        outcome = supervisor.run("import host; host.read_report('may.txt')", **app.given())

    assert outcome.value == "May: 31 days\n"


def test_files_hold(isolation_audit):
    isolation_audit.run("files.read_by_path", "files.mount_climb")
