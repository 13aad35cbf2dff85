"""A database of schema 1, filled by the program of that time, under the program of today."""

import sqlite3
from contextlib import closing
from pathlib import Path

import pem

TOKEN = "certwright_1nQWAk23yZ9rMo3EjiWlkErtAoCZ3jeuKrO205d7aKE"
MASTER_KEY = "07" * 32


def test_schema_1_is_brought_up(certwright):
    service = certwright(start=False, env={"CERTWRIGHT_MASTER_KEY": MASTER_KEY})
    service.data.mkdir(mode=0o700)
    with closing(sqlite3.connect(service.data / "certwright.db")) as db:
        db.executescript((Path(__file__).parent / "schema-1.sql").read_text())
        assert db.execute("PRAGMA user_version").fetchone() == (1,)
    (service.data / "admin.token").write_text(TOKEN)
    service.start()
    api = service.api
    admin = api.ok("GET", "/tokens/admin")
    assert admin["scopes"] == ["admin"] and admin["expires_at"] is None
    certificate = api.certificate("www.example.org")
    assert certificate["status"] == "valid" and certificate["labels"] == {"team": "web"}
    key = pem.load_key(api.pem("www.example.org", "privkey.pem"))
    leaf = pem.load(api.pem("www.example.org", "cert.pem"))
    assert pem.public_pem(key.public_key()) == pem.public_pem(leaf.public_key())
    assert api.ok("GET", "/accounts/main")["status"] == "valid"
    service.stop()
    with closing(sqlite3.connect(service.data / "certwright.db")) as db:
        assert db.execute("PRAGMA user_version").fetchone() > (1,)
        assert db.execute("PRAGMA integrity_check").fetchone() == ("ok",)
        assert db.execute("PRAGMA foreign_key_check").fetchall() == []
