-- What a city publishes about how it decides, from `miaopi audit figures --store var --to figures`.
-- For DuckDB: duckdb -c ".read docs/figures.sql"   (run it where the folder `figures` lies)
-- One row a decision; what a person decided is one, too. Offers have files of their own. Nothing in it tells who.

CREATE OR REPLACE VIEW decisions AS
SELECT * FROM read_parquet('figures/*/decisions.parquet', hive_partitioning = true, hive_types = {'month': VARCHAR});

-- 自动办结率：the machine's share of the cases that it ended or left to a person.
CREATE OR REPLACE VIEW automatic_share AS
SELECT month, matter, rules_effective_date, release_digest,
       count(*) FILTER (outcome IN ('approved', 'refused')) AS by_machine,
       count(*) FILTER (outcome = 'referred') AS to_person,
       round(by_machine / nullif(by_machine + to_person, 0), 4) AS share
FROM decisions WHERE decided_by = 'system' GROUP BY ALL ORDER BY ALL;

-- 转人工原因：why it left cases to a person; one decision can have several reasons.
CREATE OR REPLACE VIEW referral_reasons AS
SELECT month, matter, rules_effective_date, release_digest, reason, count(*) AS decisions
FROM (SELECT * EXCLUDE (reasons), unnest(reasons) AS reason FROM decisions WHERE outcome = 'referred' AND decided_by = 'system')
GROUP BY ALL ORDER BY month, matter, rules_effective_date, decisions DESC;

-- 人工改变率：how often persons decided against the rules or an earlier decision.
CREATE OR REPLACE VIEW overrides AS
SELECT month, matter, rules_effective_date, release_digest, count(*) AS by_person,
       count(*) FILTER (overrides) AS overriding,
       round(overriding / nullif(by_person, 0), 4) AS override_rate
FROM decisions WHERE decided_by = 'person' GROUP BY ALL ORDER BY ALL;

-- 决定被改变率：of the approvals and refusals of a month, how many no longer stand as they were made, and
-- what has overturned them since: a later decision by a person (override), 撤销 (revoke) or 更正 (correct)
-- because they were wrong, 撤回 (withdraw) or 变更 (change) because the facts or the law have changed.
CREATE OR REPLACE VIEW overturns AS
SELECT month, matter, rules_effective_date, release_digest, decided_by, count(*) AS decided,
       count(*) FILTER (len(overturned_by) > 0) AS overturned,
       count(*) FILTER ('override' IN overturned_by) AS by_override,
       count(*) FILTER ('revoke' IN overturned_by) AS by_revoke,
       count(*) FILTER ('correct' IN overturned_by) AS by_correct,
       count(*) FILTER ('withdraw' IN overturned_by) AS by_withdraw,
       count(*) FILTER ('change' IN overturned_by) AS by_change,
       round(overturned / decided, 4) AS overturn_rate
FROM decisions WHERE outcome IN ('approved', 'refused') GROUP BY ALL ORDER BY ALL;

-- 办结用时：from a case's first decision to the one that first ended it, in seconds.
CREATE OR REPLACE VIEW time_to_decision AS
SELECT month, matter, rules_effective_date, release_digest, count(*) AS ended,
       quantile_disc(seconds_since_first, 0.5) AS median_s,
       quantile_disc(seconds_since_first, 0.95) AS p95_s,
       max(seconds_since_first) AS longest_s
FROM (SELECT * FROM decisions WHERE outcome IN ('approved', 'refused')
      QUALIFY row_number() OVER (PARTITION BY matter, case_id ORDER BY index) = 1)
GROUP BY ALL ORDER BY ALL;

CREATE OR REPLACE VIEW offers AS
SELECT * FROM read_parquet('figures/*/offers.parquet', hive_partitioning = true, hive_types = {'month': VARCHAR});

-- 免申即享：by the month in which they were made, how many offers were agreed to, declined, ended in silence, or are open.
-- Silence is neither: an offer that nobody answered has ended by itself.
CREATE OR REPLACE VIEW offers_answered AS
SELECT month, matter, count(*) AS made,
       count(*) FILTER (answer = 'agreed') AS agreed,
       count(*) FILTER (answer = 'declined') AS declined,
       count(*) FILTER (answer IS NULL AND until_date::DATE < current_date) AS expired,
       made - agreed - declined - expired AS still_open
FROM offers LEFT JOIN (SELECT offer_id, arg_max(became, index) AS answer FROM offers WHERE became <> 'made' GROUP BY ALL)
     USING (offer_id)
WHERE became = 'made' GROUP BY ALL ORDER BY ALL;

CREATE OR REPLACE VIEW ratings AS
SELECT * FROM read_parquet('figures/*/ratings.parquet', hive_partitioning = true, hive_types = {'month': VARCHAR});

-- 好差评：the five grades, the share of those who are at least fairly satisfied, and what became of poor ratings.
CREATE OR REPLACE VIEW satisfaction AS
SELECT month, matter, count(*) AS rated,
       count(*) FILTER (grade = 'very_satisfied') AS very_satisfied,
       count(*) FILTER (grade = 'satisfied') AS satisfied,
       count(*) FILTER (grade = 'fairly_satisfied') AS fairly_satisfied,
       count(*) FILTER (grade = 'dissatisfied') AS dissatisfied,
       count(*) FILTER (grade = 'very_dissatisfied') AS very_dissatisfied,
       round((very_satisfied + satisfied + fairly_satisfied) / rated, 4) AS satisfied_share,
       count(*) FILTER (answer.time IS NOT NULL) AS answered,
       count(*) FILTER (answer.time > due_time OR (answer.time IS NULL AND due_time < now())) AS late,
       count(*) FILTER (answer.justified) AS justified
FROM ratings LEFT JOIN (SELECT rating AS rating_1, {'time': time, 'justified': justified} AS answer FROM ratings WHERE grade = '')
     ON ratings.index = rating_1
WHERE grade <> '' GROUP BY ALL ORDER BY ALL;
