import java.nio.ByteBuffer;
import java.nio.charset.StandardCharsets;

/**
 * Events in one record, in a binary form of their own: a record's work is done once for many events, and there is neither
 * JSON nor a schema. Every field is read, also those that no rollup needs.
 */
record Batch(
        byte[][] ids,
        byte[] names,
        int[] actors,
        int[] times,
        byte[][] words,
        int[] results,
        int[] took,
        boolean[] isSaved,
        boolean[] isFirst,
        String[] caseIds) {

    /** An event takes at most so many bytes. */
    static final int EVENT_BYTES_MAX = 64;

    private static final int WORDS = 3;

    int size() {
        return names.length;
    }

    /** Reads a record: how many events, then each of them. */
    static Batch read(String topic, byte[] record) {
        ByteBuffer from = ByteBuffer.wrap(record);
        int size = from.getInt();
        Batch batch = new Batch(
                new byte[size][16], new byte[size], new int[size], new int[size], new byte[size][WORDS], new int[size],
                new int[size], new boolean[size], new boolean[size], new String[size]);
        for (int at = 0; at < size; at++) {
            from.get(batch.ids[at]);
            batch.names[at] = from.get();
            batch.actors[at] = from.getInt();
            batch.times[at] = from.getInt();
            from.get(batch.words[at]);
            batch.results[at] = from.getInt();
            batch.took[at] = from.getInt();
            batch.isSaved[at] = from.get() != 0;
            batch.isFirst[at] = from.get() != 0;
            byte[] caseId = new byte[from.get()];
            from.get(caseId);
            batch.caseIds[at] = new String(caseId, StandardCharsets.US_ASCII);
        }
        return batch;
    }
}
