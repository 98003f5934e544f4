import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/** Events as the benchmark of Daybook makes them (crates/bench/src/events.rs): the same names, actors and times. */
final class Events {
    static final String[] NAMES = {
        "page.viewed", "filters.applied", "answer.shown", "answer.used", "case.exported", "insight.accepted"
    };
    static final int DAY = 86_400;
    static final int DAYS = 30;

    private final long actors;
    private final long total;
    private final long start;

    /** So many events of so many actors over thirty days; {@code start} in seconds since 1970. */
    Events(long actors, long total, long start) {
        this.actors = actors;
        this.total = total;
        this.start = start;
    }

    /** SplitMix64. */
    private static long mixed(long number) {
        long z = number + 0x9E3779B97F4A7C15L;
        z = (z ^ (z >>> 30)) * 0xBF58476D1CE4E5B9L;
        z = (z ^ (z >>> 27)) * 0x94D049BB133111EBL;
        return z ^ (z >>> 31);
    }

    /** The first half of the id of an event; the second one is its number. */
    static long idHigh(long number) {
        return mixed(~number);
    }

    /** Writes an event in the form that {@link Batch} reads. */
    void write(long number, ByteBuffer into) {
        long random = mixed(number);
        long triple = number / 3;
        into.putLong(idHigh(number)).putLong(number);
        into.put((byte) (Long.remainderUnsigned(mixed(number ^ 0x5555), 100) * NAMES.length / 100));
        into.putInt((int) (Long.remainderUnsigned(mixed(triple), actors / 16) * 16 + triple % 16));
        into.putInt((int) (start + triple * 3 * (DAYS * DAY - 3) / total + number % 3));
        into.put((byte) (random & 3)).put((byte) (random >>> 2 & 3)).put((byte) (random >>> 4 & 3));
        into.putInt((int) (random >>> 6 & 0x1fff)).putInt((int) (random >>> 20 & 0xffff));
        into.put((byte) (random >>> 40 & 1)).put((byte) (random >>> 41 & 1));
        byte[] caseId = ("case-" + (random >>> 42 & 0xfff)).getBytes(StandardCharsets.US_ASCII);
        into.put((byte) caseId.length).put(caseId);
    }
}
