import java.util.Map;
import org.apache.kafka.streams.state.RocksDBConfigSetter;
import org.rocksdb.BlockBasedTableConfig;
import org.rocksdb.BloomFilter;
import org.rocksdb.Options;

/** RocksDB for ids, nearly all of which are new: a filter says so without a read. */
public final class Rocks implements RocksDBConfigSetter {
    private final BloomFilter filter = new BloomFilter(10);

    @Override
    public void setConfig(String store, Options options, Map<String, Object> settings) {
        BlockBasedTableConfig table = (BlockBasedTableConfig) options.tableFormatConfig();
        options.setTableFormatConfig(table.setFilterPolicy(filter));
        options.setWriteBufferSize(64L * 1024 * 1024);
    }

    @Override
    public void close(String store, Options options) {
        filter.close();
    }
}
