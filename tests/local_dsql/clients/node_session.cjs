// A session of node-postgres, as an application writes it. Prints one JSON object with what it saw.
// Environment: PGHOST, PGPORT, PGUSER, PGPASSWORD, PGDATABASE, and CA, the PEM file to verify against.
"use strict";
const fs = require("node:fs");
const { Client, Pool } = require("pg");

const ssl = { ca: fs.readFileSync(process.env.CA), rejectUnauthorized: true };

async function attempt(work) {
  try {
    return await work();
  } catch (error) {
    return { code: error.code, message: error.message };
  }
}

async function transaction(pool, work) {
  const client = await pool.connect();
  try {
    await client.query("BEGIN");
    const result = await work(client);
    await client.query("COMMIT");
    return result;
  } catch (error) {
    await client.query("ROLLBACK");
    throw error;
  } finally {
    client.release();
  }
}

async function withRetry(work, retries = { count: 0 }) {
  for (;;) {
    try {
      return await work();
    } catch (error) {
      if (error.code !== "40001") throw error;
      retries.count += 1;
    }
  }
}

async function main() {
  const seen = {};
  const pool = new Pool({ ssl, max: 4 });
  await pool.query("CREATE TABLE seats (id int PRIMARY KEY, holder text, taken timestamptz, note jsonb)");
  const inserted = await pool.query(
    "INSERT INTO seats VALUES ($1, $2, $3, $4), (2, NULL, NULL, NULL) RETURNING *",
    [1, "ann", new Date(Date.UTC(2026, 8, 17)), { row: [1, null] }],
  );
  seen.inserted = inserted.rows;

  const named = { name: "seat", text: "SELECT holder FROM seats WHERE id = $1" };
  seen.named = [];
  for (const id of [1, 2, 1]) seen.named.push((await pool.query({ ...named, values: [id] })).rows[0].holder);

  seen.several = (await pool.query("SELECT 1 AS a; SELECT 2 AS a")).map((result) => result.rows[0].a);
  seen.duplicate = await attempt(() => pool.query("INSERT INTO seats (id) VALUES (1)"));
  seen.refused = await attempt(() => pool.query("LISTEN news"));

  seen.conflict = await attempt(() =>
    transaction(pool, async (client) => {
      await client.query("UPDATE seats SET holder = 'bob' WHERE id = 2");
      await pool.query("UPDATE seats SET holder = 'eve' WHERE id = 2");
    }),
  );
  seen.winner = (await pool.query({ ...named, values: [2] })).rows[0].holder;

  await pool.query("CREATE TABLE counters (id int PRIMARY KEY, n int)");
  await pool.query("INSERT INTO counters VALUES (1, 0)");
  const add = (client) =>
    client.query("SELECT n FROM counters").then(({ rows }) =>
      client.query("UPDATE counters SET n = $1 WHERE id = 1", [rows[0].n + 1]),
    );
  await Promise.all(Array.from({ length: 12 }, () => withRetry(() => transaction(pool, add))));
  seen.counter = (await pool.query("SELECT n FROM counters")).rows[0].n;
  await pool.end();

  const stranger = new Client({ ssl: { rejectUnauthorized: true } });
  seen.unverified = await attempt(() => stranger.connect());
  const plain = new Client({ ssl: false });
  seen.plain = await attempt(() => plain.connect());
  console.log(JSON.stringify(seen));
}

main().catch((error) => {
  console.error(error);
  process.exitCode = 1;
});
