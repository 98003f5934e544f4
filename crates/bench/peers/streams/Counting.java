import java.time.Duration;
import java.util.ArrayList;
import java.util.HashMap;
import java.util.HashSet;
import java.util.List;
import java.util.Map;
import java.util.Set;
import java.util.concurrent.atomic.AtomicLong;
import org.apache.kafka.common.utils.Bytes;
import org.apache.kafka.streams.KeyValue;
import org.apache.kafka.streams.processor.PunctuationType;
import org.apache.kafka.streams.processor.api.Processor;
import org.apache.kafka.streams.processor.api.ProcessorContext;
import org.apache.kafka.streams.processor.api.Record;
import org.apache.kafka.streams.state.KeyValueIterator;
import org.apache.kafka.streams.state.KeyValueStore;

/**
 * Drops events whose id came within a day, counts the others by name and day, and keeps their actors.
 *
 * <p>Rollups that have changed are written to their store a few times a second: a bitmap can take 100 KB, which would be
 * written anew for every batch otherwise. Offsets are committed right after that and at no other time, so that nothing
 * which is only in memory counts as done.
 */
final class Counting implements Processor<byte[], Batch, Void, Void> {
    static final String ROLLUPS = "rollups";
    static final String IDS = "ids";

    private static final long REMEMBERED_MS = Duration.ofDays(1).toMillis();
    private static final Duration WRITE_EVERY = Duration.ofMillis(250);
    private static final Duration COMMIT_EVERY = Duration.ofSeconds(10);

    private final AtomicLong visible;
    private final Map<String, Rollup> rollups = new HashMap<>();
    private final Set<String> changed = new HashSet<>();
    private final Map<Long, String> keys = new HashMap<>();
    private ProcessorContext<Void, Void> context;
    private KeyValueStore<Bytes, Long> ids;
    private KeyValueStore<String, Rollup> store;
    private long counted;
    private long committedMs;

    /** {@code visible} is how many events can be seen in the stores of all threads. */
    Counting(AtomicLong visible) {
        this.visible = visible;
    }

    @Override
    public void init(ProcessorContext<Void, Void> context) {
        this.context = context;
        ids = context.getStateStore(IDS);
        store = context.getStateStore(ROLLUPS);
        context.schedule(WRITE_EVERY, PunctuationType.WALL_CLOCK_TIME, now -> {
            write();
            if (now - committedMs >= COMMIT_EVERY.toMillis()) {
                committedMs = now;
                context.commit();
            }
        });
        context.schedule(Duration.ofHours(1), PunctuationType.WALL_CLOCK_TIME, this::forget);
    }

    @Override
    public void process(Record<byte[], Batch> record) {
        Batch batch = record.value();
        List<KeyValue<Bytes, Long>> fresh = new ArrayList<>(batch.size());
        Set<Bytes> inThisBatch = new HashSet<>(2 * batch.size());
        for (int at = 0; at < batch.size(); at++) {
            Bytes id = Bytes.wrap(batch.ids()[at]);
            Long seen = ids.get(id);
            if (seen != null && record.timestamp() - seen < REMEMBERED_MS || !inThisBatch.add(id)) {
                continue;
            }
            fresh.add(KeyValue.pair(id, record.timestamp()));
            String key = key(batch.names()[at], batch.times()[at] / Events.DAY);
            Rollup rollup = rollups.computeIfAbsent(key, absent -> {
                Rollup stored = store.get(absent);
                return stored == null ? new Rollup() : stored;
            });
            rollup.events++;
            rollup.actors.add(batch.actors()[at]);
            changed.add(key);
            counted++;
        }
        ids.putAll(fresh);
    }

    @Override
    public void close() {
        write();
    }

    private String key(int name, int day) {
        return keys.computeIfAbsent((long) name << 32 | day, absent -> Events.NAMES[name] + "/" + day);
    }

    private void write() {
        for (String key : changed) {
            store.put(key, rollups.get(key));
        }
        changed.clear();
        visible.addAndGet(counted);
        counted = 0;
    }

    private void forget(long nowMs) {
        try (KeyValueIterator<Bytes, Long> all = ids.all()) {
            while (all.hasNext()) {
                KeyValue<Bytes, Long> id = all.next();
                if (nowMs - id.value >= REMEMBERED_MS) {
                    ids.delete(id.key);
                }
            }
        }
    }
}
