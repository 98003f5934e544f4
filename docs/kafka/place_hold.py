"""Places a legal hold by an inbox topic and waits for the answer.

    python place_hold.py BROKERS INBOX_TOPIC REPLY_TOPIC TOKEN REQUEST_AS_JSON

Needs confluent-kafka (pip install confluent-kafka).
"""

import sys
import uuid

from confluent_kafka import Consumer, Producer, TopicPartition

brokers, inbox, replies, token, request = sys.argv[1:]
correlation_id = str(uuid.uuid4())

# Listen first: from the present end of the reply topic on.
consumer = Consumer({"bootstrap.servers": brokers, "group.id": correlation_id, "enable.auto.commit": False})
partitions = consumer.list_topics(replies, timeout=10).topics[replies].partitions
ends = [consumer.get_watermark_offsets(TopicPartition(replies, p), timeout=10)[1] for p in partitions]
consumer.assign([TopicPartition(replies, p, end) for p, end in zip(partitions, ends)])

producer = Producer({"bootstrap.servers": brokers, "enable.idempotence": True})
producer.produce(
    inbox,
    key="acme",
    value=request,
    headers={
        "daybook-method": "legal_hold.PlaceHold",
        "content-type": "application/json",
        "authorization": f"Bearer {token}",
        "daybook-reply-topic": replies,
        "daybook-correlation-id": correlation_id,
    },
)
producer.flush(10)

while True:
    reply = consumer.poll(60)
    if reply is None:
        sys.exit("no answer within a minute")
    if reply.error():
        sys.exit(str(reply.error()))
    headers = {name: value.decode() for name, value in reply.headers() or []}
    if headers.get("daybook-correlation-id") == correlation_id:
        print(headers["daybook-status"], reply.value().decode())
        break
consumer.close()
