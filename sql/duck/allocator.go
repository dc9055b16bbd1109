package duck

// DuckDB's allocator, jemalloc, gives memory that is freed back to the system within a second. A run makes and drops tables by
// the hundred: what is given back is asked for again at once, and the system clears every page of it. Kept for five
// seconds it spares three to five in a hundred of the CPU that staging takes, for some forty megabytes. jemalloc has this
// name for a program's own options (its manual, "tuning"), with the prefix that DuckDB gives all its names; a DuckDB with another
// allocator has no use for it.

/*
const char *duckdb_je_malloc_conf_2_conf_harder = "dirty_decay_ms:5000";
*/
import "C"
