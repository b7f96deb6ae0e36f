// Makes the tables and an administrator, and prints the administrator's session token.

import { getMigrations } from "better-auth/db/migration";
import { auth, database } from "./auth.mjs";

await (await getMigrations(auth.options)).runMigrations();
const body = { email: "admin@example.com", password: "long enough to be one", name: "Admin" };
const { token } = await auth.api.signUpEmail({ body });
await database.query(`UPDATE "user" SET role = 'admin' WHERE email = $1`, [body.email]);
console.log(token);
await database.end();
