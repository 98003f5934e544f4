#!/usr/bin/env python3
"""Makes the mailbox of the demo: the same bytes whenever it is run, with whatever Python 3.

    python3 generate.py            writes mailbox/ beside this file
    python3 generate.py --check    says whether mailbox/ is what would be written
"""

import base64
import datetime
import hashlib
import html
import pathlib
import quopri
import re
import sys

sys.dont_write_bytecode = True
from correspondence import PEOPLE, SIGNATURES, THREADS  # noqa: E402 - beside this file, without a cache of it

FOLDER = pathlib.Path(__file__).parent / "mailbox"
MONTHS = "Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec".split()
DAYS = "Mon Tue Wed Thu Fri Sat Sun".split()


class Message:
    """A message with what later ones need to know of it."""

    def __init__(self, number, when, sender, to, cc, subject, text, form="plain", answers=None):
        self.number, self.sender, self.to, self.cc = number, sender, to, cc
        self.subject, self.text, self.form, self.answers = subject, text, form, answers
        self.local = datetime.datetime.strptime(when, "%Y-%m-%d %H:%M")
        # Central European Time, near enough.
        self.offset = 2 if 4 <= self.local.month <= 10 else 1
        domain = PEOPLE[sender][1].split("@")[1]
        self.id = f"<{self.local:%Y%m%d%H%M}.{number:03}@{domain}>"

    def date(self):
        day = DAYS[self.local.weekday()]
        return f"{day}, {self.local.day} {MONTHS[self.local.month - 1]} {self.local:%Y %H:%M}:00 +0{self.offset}00"

    def from_line(self):
        utc = self.local - datetime.timedelta(hours=self.offset)
        day, month = DAYS[utc.weekday()], MONTHS[utc.month - 1]
        return f"From {PEOPLE[self.sender][1]} {day} {month} {utc.day:2} {utc:%H:%M}:00 {utc.year}"

    def body(self):
        body = f"{self.text}\n\n-- \n{SIGNATURES[self.sender]}\n"
        if self.answers:
            before = self.answers
            body += f"\nOn {before.date()}, {PEOPLE[before.sender][0]} wrote:\n"
            body += "".join(f"> {line}".rstrip() + "\n" for line in before.text.split("\n"))
        return body

    def header(self):
        lines = [
            f"Received: from mail.{self.id.split('@')[1][:-1]} by mx.example.com with ESMTPS id {self.number:06X};",
            f"\t{self.date()}",
            f"Message-ID: {self.id}",
            f"Date: {self.date()}",
            f"From: {address(self.sender)}",
            f"To: {addresses(self.to)}",
        ]
        if self.cc:
            lines.append(f"Cc: {addresses(self.cc)}")
        subject = self.subject
        if self.answers:
            subject = f"Re: {subject}"
            lines += [f"In-Reply-To: {self.answers.id}", f"References: {self.answers.id}"]
        return lines + [f"Subject: {encoded_words(subject, self.form)}", "MIME-Version: 1.0"]

    def lines(self):
        """The message, as lines of bytes without their ends."""
        content = FORMS[self.form](self)
        return [line if isinstance(line, bytes) else line.encode() for line in self.header() + content]


def encoded_words(text, form):
    """A header's text (RFC 2047)."""
    if text.isascii():
        return text
    if form == "latin1":
        return "=?iso-8859-1?Q?" + q_word(text.encode("latin-1")) + "?="
    if form == "csv":
        return "=?UTF-8?B?" + base64.b64encode(text.encode()).decode() + "?="
    return "=?UTF-8?Q?" + q_word(text.encode()) + "?="


def q_word(raw):
    return "".join(chr(b) if chr(b).isalnum() and b < 128 else "_" if b == 32 else f"={b:02X}" for b in raw)


def address(person):
    name, mail = PEOPLE[person]
    return f"{encoded_words(name, 'plain')} <{mail}>"


def addresses(people):
    return ",\n ".join(address(person) for person in people)


def wrapped_base64(raw):
    text = base64.b64encode(raw).decode()
    return [text[i : i + 76] for i in range(0, len(text), 76)]


def printable(text):
    return quopri.encodestring(text.encode()).decode().rstrip("\n").split("\n")


def plain(message):
    body = message.body()
    if not body.isascii():
        return quoted(message)
    return ["Content-Type: text/plain; charset=us-ascii", ""] + body.rstrip("\n").split("\n")


def quoted(message):
    header = ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: quoted-printable", ""]
    return header + printable(message.body())


def in_base64(message):
    header = ["Content-Type: text/plain; charset=utf-8", "Content-Transfer-Encoding: base64", ""]
    return header + wrapped_base64(message.body().encode())


def latin1(message):
    header = ["Content-Type: text/plain; charset=iso-8859-1", "Content-Transfer-Encoding: 8bit", ""]
    return header + message.body().rstrip("\n").encode("latin-1").split(b"\n")


def alternative(message, boundary="=_alternative"):
    boundary = f"{boundary}_{message.number:03}"
    marked_up = html.escape(message.body(), quote=False).rstrip("\n").replace("\n\n", "</p>\n<p>").replace("\n", "<br>\n")
    return [
        f'Content-Type: multipart/alternative; boundary="{boundary}"',
        "",
        "This is a message in several forms.",
        f"--{boundary}",
        *quoted(message),
        f"--{boundary}",
        "Content-Type: text/html; charset=utf-8",
        "Content-Transfer-Encoding: quoted-printable",
        "",
        *printable(f"<html><head><title>mail</title></head><body>\n<p>{marked_up}</p>\n</body></html>"),
        f"--{boundary}--",
    ]


def with_attachment(message, kind, name, raw):
    boundary = f"=_mixed_{message.number:03}"
    return [
        "Content-Type: multipart/mixed;",
        f'\tboundary="{boundary}"',
        "",
        f"--{boundary}",
        *alternative(message),
        f"--{boundary}",
        f'Content-Type: {kind}; name="{name}"',
        f'Content-Disposition: attachment; filename="{name}"',
        "Content-Transfer-Encoding: base64",
        "",
        *wrapped_base64(raw),
        f"--{boundary}--",
    ]


def pdf(message):
    """Not much of a document, but one that a reader opens as an empty page."""
    raw = (
        b"%PDF-1.4\n1 0 obj<</Type/Catalog/Pages 2 0 R>>endobj\n2 0 obj<</Type/Pages/Kids[3 0 R]/Count 1>>endobj\n"
        b"3 0 obj<</Type/Page/Parent 2 0 R/MediaBox[0 0 595 842]>>endobj\ntrailer<</Root 1 0 R>>\n%%EOF\n"
    )
    return with_attachment(message, "application/pdf", f"document-{message.number:03}.pdf", raw)


def csv(message):
    rows = ["bay,load_kn,gap_mm"] + [f"{bay},{610 + 7 * bay},{2 + (bay == 7) * 2.5}" for bay in range(1, 13)]
    return with_attachment(message, "text/csv; charset=utf-8", f"table-{message.number:03}.csv", "\n".join(rows).encode())


FORMS = {
    "plain": plain,
    "quoted-printable": quoted,
    "base64": in_base64,
    "latin1": latin1,
    "alternative": alternative,
    "pdf": pdf,
    "csv": csv,
}


def threads():
    """Mailboxes by name, each with its messages in the order of their dates."""
    mailboxes, number = {}, 0
    for mailbox, subject, messages in THREADS:
        before = None
        for message in messages:
            number += 1
            when, sender, to, cc, text, *form = message
            before = Message(number, when, sender, to, cc, subject, text, *form, answers=before)
            mailboxes.setdefault(mailbox, []).append(before)
    return {name: sorted(messages, key=lambda message: message.local) for name, messages in mailboxes.items()}


def mbox_entry(from_line, lines):
    """In the dialect mboxrd: each line that would look like a separator gets one `>` more."""
    quoted_lines = [b">" + line if re.match(b">*From ", line) else line for line in lines]
    return b"\n".join([from_line.encode(), *quoted_lines, b"", b""])


def eml(lines):
    return b"".join((line if isinstance(line, bytes) else line.encode()) + b"\r\n" for line in lines)


def noise(length):
    """Bytes without any sense, always the same."""
    blocks = (hashlib.sha256(f"noise {i}".encode()).digest() for i in range(length // 32 + 1))
    return b"".join(blocks)[:length]


# A message that a gateway dated wrongly: the line that starts it in the mailbox has the date.
FAX = [
    "Message-ID: <fax.0417@example.com>",
    "Date: 00.00.0000 00:00",
    "From: Fax gateway <fax@example.com>",
    "To: Piet van Aalst <piet.vanaalst@example.com>",
    "Subject: Fax from +49 40 5550 0112, 1 page",
    "",
    "One page was received. It is empty.",
]

# Only marked up, sent to a list.
NEWS = [
    "Message-ID: <news.2021-17@example.com>",
    "Date: Fri, 30 Apr 2021 12:00:00 +0000",
    "From: Port news <news@example.com>",
    "To: undisclosed-recipients:;",
    "Subject: =?UTF-8?Q?Port_news_17/2021:_gate_2_caf=C3=A9_reopens?=",
    "MIME-Version: 1.0",
    "Content-Type: text/html; charset=utf-8",
    "Content-Transfer-Encoding: quoted-printable",
    "",
    "<html><head><style>p { color: navy }</style></head><body>",
    "<p>The caf=C3=A9 at gate 2 opens again on Monday.</p><p>Berth&nbsp;4: expect =",
    "noise &amp; slow trolleys.</p></body></html>",
]

# Cut off in the middle of a header.
CUT_OFF = ["Received: from mail.example.org by mx.example.com with ESMTPS id 0000FF;", "\tTue, 9 Mar 2021 10:"]

# From nobody to nobody.
NOBODY = ["Message-ID: <void@example.com>", "Date: Tue, 7 May 2024 10:00:00 +0200", "Subject: (no subject)", "", "?"]

# A file of its own has no other line with a date.
NO_DATE = [
    "Message-ID: <octember@example.com>",
    "Date: the 32nd of Octember",
    "From: Jonas Brandt <jonas.brandt@example.com>",
    "To: Aylin Demir <aylin.demir@example.com>",
    "Subject: When was that?",
    "",
    "I cannot say when I wrote this.",
]


def forwarded(message):
    """Another message as an attachment."""
    return [
        "Message-ID: <forward.0001@example.com>",
        "Date: Wed, 12 Mar 2025 08:15:00 +0100",
        f"From: {address('jonas')}",
        f"To: {address('aylin')}",
        "Subject: Fwd: for your file",
        "MIME-Version: 1.0",
        'Content-Type: multipart/mixed; boundary="=_forward"',
        "",
        "--=_forward",
        "",
        "This is where the whole thing began.",
        "--=_forward",
        "Content-Type: message/rfc822",
        "Content-Disposition: attachment",
        "",
        *message.lines(),
        "--=_forward--",
    ]


def files():
    """Every file of the mailbox with its content."""
    mailboxes = threads()
    finance, terminal = mailboxes["finance"], mailboxes["terminal"]
    # Some messages lie in files of their own, as they do when somebody saves them one by one.
    singles = [finance[0], finance[-1], terminal[-2]]
    entries = {
        name: [(message.local, mbox_entry(message.from_line(), message.lines())) for message in messages if message not in singles]
        for name, messages in mailboxes.items()
    }
    at = datetime.datetime
    odd = [
        ("terminal", at(2020, 4, 17), "From fax@example.com Fri Apr 17 09:30:00 2020", FAX),
        ("terminal", at(2021, 4, 30), "From news@example.com Fri Apr 30 12:00:00 2021", NEWS),
        ("finance", at(2021, 3, 9), "From soren.falk@example.org Tue Mar  9 09:10:00 2021", CUT_OFF),
        ("terminal", at(2024, 5, 7), "From MAILER-DAEMON Tue May  7 08:00:00 2024", NOBODY),
    ]
    for name, when, from_line, lines in odd:
        entries[name].append((when, mbox_entry(from_line, [line.encode() for line in lines])))
    written = {f"{name}.mbox": b"".join(entry for _, entry in sorted(entries[name], key=lambda entry: entry[0])) for name in entries}
    for message in singles:
        subject = re.sub("[^a-z]+", "-", message.subject.lower()).strip("-")
        written[f"{message.local:%Y-%m-%d}-{subject}.eml"] = eml(message.lines())
    written["2025-03-12-forwarded.eml"] = eml(forwarded(finance[0]))
    written["broken-date.eml"] = eml(NO_DATE)
    written["broken-scan.eml"] = noise(700)
    written["broken-empty.eml"] = b""
    return written


def main():
    wanted = files()
    found = {path.name: path.read_bytes() for path in sorted(FOLDER.glob("*"))} if FOLDER.exists() else {}
    if sys.argv[1:] == ["--check"]:
        different = sorted(name for name in wanted.keys() | found.keys() if wanted.get(name) != found.get(name))
        sys.exit(f"not as generated: {', '.join(different)}" if different else 0)
    FOLDER.mkdir(exist_ok=True)
    for name in found.keys() - wanted.keys():
        (FOLDER / name).unlink()
    for name, content in wanted.items():
        (FOLDER / name).write_bytes(content)


if __name__ == "__main__":
    main()
