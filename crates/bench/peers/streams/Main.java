import java.nio.ByteBuffer;
import java.time.Duration;
import java.util.HashMap;
import java.util.List;
import java.util.Map;
import java.util.Properties;
import java.util.concurrent.CountDownLatch;
import java.util.concurrent.atomic.AtomicLong;
import java.util.concurrent.atomic.AtomicReference;
import org.apache.kafka.clients.admin.Admin;
import org.apache.kafka.clients.admin.NewTopic;
import org.apache.kafka.clients.producer.KafkaProducer;
import org.apache.kafka.clients.producer.ProducerConfig;
import org.apache.kafka.clients.producer.ProducerRecord;
import org.apache.kafka.common.serialization.ByteArraySerializer;
import org.apache.kafka.common.serialization.Serdes;
import org.apache.kafka.common.utils.AppInfoParser;
import org.apache.kafka.streams.KafkaStreams;
import org.apache.kafka.streams.StoreQueryParameters;
import org.apache.kafka.streams.StreamsConfig;
import org.apache.kafka.streams.Topology;
import org.apache.kafka.streams.errors.StreamsUncaughtExceptionHandler.StreamThreadExceptionResponse;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.QueryableStoreTypes;
import org.apache.kafka.streams.state.Stores;

/**
 * The peer on Kafka Streams: the rollup that Daybook keeps of events, on the same broker.
 *
 * <pre>java -cp ... Main BROKERS EVENTS ACTORS START STATE_FOLDER [PARTITIONS]</pre>
 *
 * <p>Sends that many events in batches, while the rollup runs, and prints a line of JSON: how long it took from the
 * first send until all events could be seen in the rollup's store. START is in seconds since 1970.
 *
 * <p>Where there was a choice, it is the one that favours this program. Actors are numbers already: it keeps no
 * dictionary of them. The partition follows from the id of an event, so that threads share the ids among them, and a
 * reader puts the rollups of all partitions together. At least once, not exactly once. Nothing is checked against a
 * schema, minimised or kept for later questions.
 */
final class Main {
    private static final String TOPIC = "events";
    private static final int BATCH = 500;
    private static final Duration WAIT_MAX = Duration.ofMinutes(15);

    public static void main(String[] arguments) throws Exception {
        String brokers = arguments[0];
        long total = Long.parseLong(arguments[1]);
        Events events = new Events(Long.parseLong(arguments[2]), total, Long.parseLong(arguments[3]));
        int partitions = arguments.length > 5 ? Integer.parseInt(arguments[5]) : 2;
        try (Admin admin = Admin.create(Map.of("bootstrap.servers", brokers))) {
            admin.createTopics(List.of(new NewTopic(TOPIC, partitions, (short) 1))).all().get();
        }
        AtomicLong visible = new AtomicLong();
        AtomicReference<Throwable> failed = new AtomicReference<>();
        try (KafkaStreams streams = start(topology(visible), settings(brokers, arguments[4], partitions), failed)) {
            long started = System.nanoTime();
            send(brokers, events, total, partitions);
            double sentSeconds = (System.nanoTime() - started) / 1e9;
            while (visible.get() < total) {
                if (failed.get() != null || System.nanoTime() - started > WAIT_MAX.toNanos()) {
                    throw new IllegalStateException("only " + visible.get() + " events were rolled up", failed.get());
                }
                Thread.sleep(5);
            }
            Map<String, Rollup> rollups = read(streams);
            double seconds = (System.nanoTime() - started) / 1e9;
            long counted = rollups.values().stream().mapToLong(rollup -> rollup.events).sum();
            if (counted != total) {
                throw new IllegalStateException("the store holds " + counted + " of " + total + " events");
            }
            long actors = rollups.values().stream().mapToLong(rollup -> rollup.actors.getLongCardinality()).sum();
            System.out.printf(
                    "{\"version\": \"%s\", \"events\": %d, \"actors_by_event_and_day\": %d, \"sent_seconds\": %.3f,"
                            + " \"seconds\": %.3f}%n",
                    AppInfoParser.getVersion(), counted, actors, sentSeconds, seconds);
        }
    }

    private static Topology topology(AtomicLong visible) {
        return new Topology()
                .addSource("source", Serdes.ByteArray().deserializer(), Batch::read, TOPIC)
                .addProcessor("counting", () -> new Counting(visible), "source")
                .addStateStore(
                        Stores.keyValueStoreBuilder(
                                Stores.persistentKeyValueStore(Counting.IDS), Serdes.Bytes(), Serdes.Long()),
                        "counting")
                .addStateStore(
                        Stores.keyValueStoreBuilder(
                                Stores.persistentKeyValueStore(Counting.ROLLUPS),
                                Serdes.String(),
                                Serdes.serdeFrom(Rollup::write, Rollup::read)),
                        "counting");
    }

    private static Properties settings(String brokers, String stateFolder, int threads) {
        Properties settings = new Properties();
        settings.put(StreamsConfig.APPLICATION_ID_CONFIG, "rollup");
        settings.put(StreamsConfig.BOOTSTRAP_SERVERS_CONFIG, brokers);
        settings.put(StreamsConfig.STATE_DIR_CONFIG, stateFolder);
        settings.put(StreamsConfig.NUM_STREAM_THREADS_CONFIG, threads);
        settings.put(StreamsConfig.PROCESSING_GUARANTEE_CONFIG, StreamsConfig.AT_LEAST_ONCE);
        settings.put(StreamsConfig.REPLICATION_FACTOR_CONFIG, 1);
        settings.put(StreamsConfig.ROCKSDB_CONFIG_SETTER_CLASS_CONFIG, Rocks.class);
        // Counting commits, after it has written what it holds.
        settings.put(StreamsConfig.COMMIT_INTERVAL_MS_CONFIG, Integer.MAX_VALUE);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.BATCH_SIZE_CONFIG), 256 * 1024);
        settings.put(StreamsConfig.producerPrefix(ProducerConfig.LINGER_MS_CONFIG), 50);
        return settings;
    }

    private static KafkaStreams start(Topology topology, Properties settings, AtomicReference<Throwable> failed)
            throws InterruptedException {
        KafkaStreams streams = new KafkaStreams(topology, settings);
        CountDownLatch running = new CountDownLatch(1);
        streams.setStateListener((state, before) -> {
            if (state == KafkaStreams.State.RUNNING || state == KafkaStreams.State.ERROR) {
                running.countDown();
            }
        });
        streams.setUncaughtExceptionHandler(error -> {
            failed.set(error);
            return StreamThreadExceptionResponse.SHUTDOWN_CLIENT;
        });
        streams.start();
        running.await();
        return streams;
    }

    /** Sends all events, those of a partition in batches. */
    private static void send(String brokers, Events events, long total, int partitions) {
        Map<String, Object> settings = Map.of(
                "bootstrap.servers", brokers,
                ProducerConfig.ACKS_CONFIG, "all",
                ProducerConfig.BATCH_SIZE_CONFIG, 256 * 1024,
                ProducerConfig.BUFFER_MEMORY_CONFIG, 64L * 1024 * 1024);
        AtomicReference<Exception> failed = new AtomicReference<>();
        ByteBuffer[] batches = new ByteBuffer[partitions];
        int[] sizes = new int[partitions];
        try (KafkaProducer<byte[], byte[]> producer =
                new KafkaProducer<>(settings, new ByteArraySerializer(), new ByteArraySerializer())) {
            for (long number = 0; number < total; number++) {
                int partition = (int) Long.remainderUnsigned(Events.idHigh(number), partitions);
                if (sizes[partition] == 0) {
                    batches[partition] = ByteBuffer.allocate(4 + BATCH * Batch.EVENT_BYTES_MAX).putInt(0);
                }
                events.write(number, batches[partition]);
                if (++sizes[partition] == BATCH) {
                    send(producer, partition, batches[partition], sizes[partition], failed);
                    sizes[partition] = 0;
                }
            }
            for (int partition = 0; partition < partitions; partition++) {
                if (sizes[partition] > 0) {
                    send(producer, partition, batches[partition], sizes[partition], failed);
                }
            }
            producer.flush();
        }
        if (failed.get() != null) {
            throw new IllegalStateException("a batch was not sent", failed.get());
        }
    }

    private static void send(
            KafkaProducer<byte[], byte[]> producer,
            int partition,
            ByteBuffer batch,
            int size,
            AtomicReference<Exception> failed) {
        byte[] value = new byte[batch.position()];
        batch.putInt(0, size).flip().get(value);
        producer.send(new ProducerRecord<>(TOPIC, partition, null, value), (sent, error) -> {
            if (error != null) {
                failed.set(error);
            }
        });
    }

    /** The rollups of all partitions together. */
    private static Map<String, Rollup> read(KafkaStreams streams) {
        Map<String, Rollup> rollups = new HashMap<>();
        var store = streams.store(
                StoreQueryParameters.fromNameAndType(
                        Counting.ROLLUPS, QueryableStoreTypes.<String, Rollup>keyValueStore()));
        try (KeyValueIterator<String, Rollup> all = store.all()) {
            all.forEachRemaining(entry -> {
                Rollup rollup = rollups.computeIfAbsent(entry.key, absent -> new Rollup());
                rollup.events += entry.value.events;
                rollup.actors.or(entry.value.actors);
            });
        }
        return rollups;
    }
}
