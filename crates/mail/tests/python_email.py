"""Reads the messages of an mbox file with Python's `mailbox` and `email`, and prints a line of JSON for each, after
one with the version of Python.

Used by python_email.rs, which reads the same file with this crate and compares.
"""

import datetime
import email
import email.policy
import email.utils
import hashlib
import json
import mailbox
import sys
import warnings

sys.stdout.reconfigure(encoding="utf-8")
warnings.simplefilter("ignore")

ROLES = [("from", "sender"), ("sender", "sender"), ("to", "recipient"), ("cc", "recipient"), ("bcc", "recipient")]


def attempt(read):
    """What a function returns; nothing where it fails, as Python does with some malformed fields."""
    try:
        return read()
    except Exception:  # noqa: BLE001, any failure means the same here
        return None


def people(message):
    """Each address once in each role, in small letters, with the first display name that is not empty."""
    found = []
    for field, role in ROLES:
        for header in message.get_all(field, []):
            for address in header.addresses:
                one = [role, address.addr_spec.lower(), address.display_name]
                if one[1] in ("", "<>"):
                    one[1] = ""
                known = [other for other in found if other[:2] == one[:2]]
                if known:
                    known[0][2] = known[0][2] or one[2]
                else:
                    found.append(one)
    return found


def seconds(message):
    date = email.utils.parsedate_to_datetime(str(message["date"]))
    if date.tzinfo is None:
        date = date.replace(tzinfo=datetime.timezone.utc)
    return int(date.timestamp())


def body(message):
    part = message.get_body(preferencelist=("plain", "html"))
    return part.get_content()


print(json.dumps({"version": list(sys.version_info[:2])}))
for path in sys.argv[1:]:
    box = mailbox.mbox(path, create=False)
    for key in box.keys():
        content = box.get_bytes(key)
        message = email.message_from_bytes(content, policy=email.policy.default)
        read = {
            "sha256": hashlib.sha256(content).hexdigest(),
            "people": attempt(lambda: people(message)),
            "date": attempt(lambda: seconds(message)),
            "subject": attempt(lambda: str(message["subject"])),
            "body": attempt(lambda: body(message)),
        }
        # Bytes that Python could not decode have no place in JSON.
        line = json.dumps({"path": path, **read}, ensure_ascii=False)
        print(line.encode("utf-8", "surrogatepass").decode("utf-8", "replace"))
