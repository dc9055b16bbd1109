-- Views of the whole ledger that every run writes out in full. They are worked out once, into these tables, and
-- read from there by the Parquet files and the console.

create table kept_proof as select * from recon.proof limit 0;
create table kept_proof_differences as select * from recon.proof_differences limit 0;
create table kept_open_items as select * from recon.open_items limit 0;
create table kept_oss as select * from recon.oss limit 0;
