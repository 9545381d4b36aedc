// One session of each Node client, with nothing set but what docs/clients.md says. Prints what it read as JSON.
// Arguments: the client. Environment: that of `local-dsql env`, and URL, that of `local-dsql url --for node`.
"use strict";

const connectionString = process.env.URL;
const { hostname: host, port, username, password } = new URL(connectionString);

const sessions = {
  async pg() {
    const { Pool } = require("pg");
    const pool = new Pool({ connectionString });
    await pool.query("INSERT INTO items VALUES ($1, $2)", [1, "a"]);
    const { rows } = await pool.query("SELECT * FROM items");
    await pool.end();
    return rows;
  },

  async postgres() {
    const sql = require("postgres")(connectionString);
    await sql.begin(async (tx) => {
      await tx`INSERT INTO items VALUES (${1}, ${"a"})`;
    });
    const rows = await sql`SELECT * FROM items`;
    await sql.end();
    return rows;
  },

  async drizzle() {
    const { drizzle } = require("drizzle-orm/node-postgres");
    const { integer, pgTable, text } = require("drizzle-orm/pg-core");
    const { Pool } = require("pg");
    const items = pgTable("items", { id: integer("id").primaryKey(), name: text("name") });
    const pool = new Pool({ connectionString });
    const db = drizzle(pool);
    await db.transaction((tx) => tx.insert(items).values({ id: 1, name: "a" }));
    const rows = await db.select().from(items);
    await pool.end();
    return rows;
  },

  async kysely() {
    const { Kysely, PostgresDialect } = require("kysely");
    const { Pool } = require("pg");
    const db = new Kysely({ dialect: new PostgresDialect({ pool: new Pool({ connectionString }) }) });
    await db.transaction().execute((tx) => tx.insertInto("items").values({ id: 1, name: "a" }).execute());
    const rows = await db.selectFrom("items").selectAll().execute();
    await db.destroy();
    return rows;
  },

  async knex() {
    const knex = require("knex")({ client: "pg", connection: connectionString });
    await knex.transaction((tx) => tx("items").insert({ id: 1, name: "a" }));
    const rows = await knex("items").select();
    await knex.destroy();
    return rows;
  },

  async typeorm() {
    require("reflect-metadata");
    const { DataSource, EntitySchema } = require("typeorm");
    const Item = new EntitySchema({
      name: "Item",
      tableName: "items",
      columns: { id: { type: "int", primary: true }, name: { type: "text" } },
    });
    const source = new DataSource({
      type: "postgres", url: connectionString, entities: [Item], installExtensions: false,
    });
    await source.initialize();
    await source.transaction((manager) => manager.insert(Item, { id: 1, name: "a" }));
    const rows = await source.manager.find(Item);
    await source.destroy();
    return rows;
  },

  async sequelize() {
    const { DataTypes, Sequelize } = require("sequelize");
    const sequelize = new Sequelize("postgres", decodeURIComponent(username), decodeURIComponent(password), {
      dialect: "postgres", host, port, logging: false,
      dialectOptions: { ssl: true, clientMinMessages: "ignore" },
    });
    const Item = sequelize.define(
      "items",
      { id: { type: DataTypes.INTEGER, primaryKey: true }, name: DataTypes.TEXT },
      { timestamps: false },
    );
    await sequelize.transaction((transaction) => Item.create({ id: 1, name: "a" }, { transaction }));
    const rows = await Item.findAll({ raw: true });
    await sequelize.close();
    return rows;
  },
};

sessions[process.argv[2]]().then(
  (rows) => console.log(JSON.stringify(rows)),
  (error) => {
    console.error(error);
    process.exit(1); // a failed client may keep its connections open
  },
);
