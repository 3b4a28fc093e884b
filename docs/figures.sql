-- What a city publishes about how it decides, from `miaopi audit figures --store var --to figures`.
-- For DuckDB: duckdb -c ".read docs/figures.sql"   (run it where the folder `figures` lies)
-- One row a decision; what a person decided is one, too. Nothing in it tells who.

CREATE OR REPLACE VIEW decisions AS
SELECT * FROM read_parquet('figures/*/*.parquet', hive_partitioning = true, hive_types = {'month': VARCHAR});

-- 自动办结率：the machine's share of the cases that it ended or left to a person.
CREATE OR REPLACE VIEW automatic_share AS
SELECT month, matter, rules_effective_date,
       count(*) FILTER (outcome IN ('approved', 'refused')) AS by_machine,
       count(*) FILTER (outcome = 'referred') AS to_person,
       round(by_machine / nullif(by_machine + to_person, 0), 4) AS share
FROM decisions WHERE decided_by = 'system' GROUP BY ALL ORDER BY ALL;

-- 转人工原因：why it left cases to a person; one decision can have several reasons.
CREATE OR REPLACE VIEW referral_reasons AS
SELECT month, matter, reason, count(*) AS decisions
FROM (SELECT month, matter, unnest(reasons) AS reason FROM decisions WHERE outcome = 'referred' AND decided_by = 'system')
GROUP BY ALL ORDER BY month, matter, decisions DESC;

-- 人工改变率：how often persons decided against the rules or an earlier decision, and how often that changed an approval or refusal.
CREATE OR REPLACE VIEW overrides AS
SELECT month, matter, count(*) AS by_person,
       count(*) FILTER (overrides) AS overriding,
       count(*) FILTER (previous_outcome IN ('approved', 'refused') AND outcome <> previous_outcome) AS overturning,
       round(overriding / nullif(by_person, 0), 4) AS override_rate,
       round(overturning / nullif(by_person, 0), 4) AS overturn_rate
FROM decisions WHERE decided_by = 'person' GROUP BY ALL ORDER BY ALL;

-- 办结用时：from a case's first decision to the one that ended it, in seconds.
CREATE OR REPLACE VIEW time_to_decision AS
SELECT month, matter, rules_effective_date, count(*) AS ended,
       quantile_disc(seconds_since_first, 0.5) AS median_s,
       quantile_disc(seconds_since_first, 0.95) AS p95_s,
       max(seconds_since_first) AS longest_s
FROM decisions WHERE outcome IN ('approved', 'refused') GROUP BY ALL ORDER BY ALL;
