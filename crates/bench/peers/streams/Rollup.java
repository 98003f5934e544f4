import java.io.IOException;
import java.io.UncheckedIOException;
import java.nio.ByteBuffer;
import org.roaringbitmap.RoaringBitmap;

/** What is kept of an event's name and day: how many, and which actors, exactly. */
final class Rollup {
    long events;
    final RoaringBitmap actors;

    Rollup() {
        this(0, new RoaringBitmap());
    }

    private Rollup(long events, RoaringBitmap actors) {
        this.events = events;
        this.actors = actors;
    }

    static byte[] write(String topic, Rollup rollup) {
        if (rollup == null) {
            return null;
        }
        ByteBuffer into = ByteBuffer.allocate(Long.BYTES + rollup.actors.serializedSizeInBytes());
        rollup.actors.serialize(into.putLong(rollup.events));
        return into.array();
    }

    static Rollup read(String topic, byte[] bytes) {
        if (bytes == null) {
            return null;
        }
        ByteBuffer from = ByteBuffer.wrap(bytes);
        Rollup rollup = new Rollup(from.getLong(), new RoaringBitmap());
        try {
            rollup.actors.deserialize(from);
        } catch (IOException error) {
            throw new UncheckedIOException(error);
        }
        return rollup;
    }
}
