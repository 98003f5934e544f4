import static java.nio.charset.StandardCharsets.UTF_8;

import java.time.Duration;
import java.util.List;
import java.util.Map;
import java.util.UUID;
import org.apache.kafka.clients.consumer.ConsumerRecord;
import org.apache.kafka.clients.consumer.KafkaConsumer;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.TopicPartition;
import org.apache.kafka.common.header.Header;
import org.apache.kafka.common.serialization.StringDeserializer;
import org.apache.kafka.common.serialization.StringSerializer;

/**
 * Places a legal hold by an inbox topic and waits for the answer.
 *
 * <p>java -cp 'kafka-clients.jar:...' PlaceHold BROKERS INBOX_TOPIC REPLY_TOPIC TOKEN REQUEST_AS_JSON
 */
public final class PlaceHold {
    public static void main(String[] args) throws Exception {
        String brokers = args[0], inbox = args[1], replies = args[2], token = args[3], request = args[4];
        String correlationId = UUID.randomUUID().toString();
        Map<String, Object> settings = Map.of("bootstrap.servers", brokers);
        try (var consumer = new KafkaConsumer<>(settings, new StringDeserializer(), new StringDeserializer());
                var producer = new KafkaProducer<>(settings, new StringSerializer(), new StringSerializer())) {
            // Listen first: from the present end of the reply topic on.
            List<TopicPartition> partitions = consumer.partitionsFor(replies).stream()
                    .map(info -> new TopicPartition(info.topic(), info.partition()))
                    .toList();
            consumer.assign(partitions);
            consumer.seekToEnd(partitions);
            partitions.forEach(consumer::position);

            var record = new ProducerRecord<>(inbox, "acme", request);
            Map.of(
                    "daybook-method", "legal_hold.PlaceHold",
                    "content-type", "application/json",
                    "authorization", "Bearer " + token,
                    "daybook-reply-topic", replies,
                    "daybook-correlation-id", correlationId)
                .forEach((name, value) -> record.headers().add(name, value.getBytes(UTF_8)));
            producer.send(record).get();

            for (int second = 0; second < 60; second++) {
                for (ConsumerRecord<String, String> reply : consumer.poll(Duration.ofSeconds(1))) {
                    if (correlationId.equals(header(reply, "daybook-correlation-id"))) {
                        System.out.println(header(reply, "daybook-status") + " " + reply.value());
                        return;
                    }
                }
            }
            throw new IllegalStateException("no answer within a minute");
        }
    }

    private static String header(ConsumerRecord<?, ?> record, String name) {
        Header header = record.headers().lastHeader(name);
        return header == null ? null : new String(header.value(), UTF_8);
    }
}
