"""Sends events with Segment's SDK.

    segment_sdk.py NODE TOKEN

Prints as JSON what the SDK says went wrong.
"""

import json
import sys

import segment.analytics as analytics

node, token = sys.argv[1:3]
errors = []
analytics.write_key = token
analytics.host = node
analytics.on_error = lambda error, items: errors.append(str(error))
analytics.track("ada@example.org", "Case Opened", {"caseId": "case-17", "kind": "civil"})
analytics.identify("ada@example.org", {"email": "ada@example.org"})
analytics.page("ada@example.org", None, "Home", {"url": "https://example.org/ada"})
analytics.track("ada@example.org", "https://jana:tajneheslo@db.firma-praha.cz/x")
analytics.track("ada@example.org", "Fall geöffnet")
analytics.flush()
analytics.shutdown()
print(json.dumps({"errors": errors}))
