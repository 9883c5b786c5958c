-- The lake's own database, beside Dagster's, on the first start of Postgres in compose.yaml.
CREATE DATABASE lake;
