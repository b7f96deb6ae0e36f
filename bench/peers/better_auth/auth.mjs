// better-auth as its "Installation" has it: PostgreSQL by pg's pool, e-mail and password, and the plugins admin and
// bearer. Its limit of requests is off, as Populace's is; the origins are not asked for by a client that is no browser.

import { betterAuth } from "better-auth";
import { admin, bearer } from "better-auth/plugins";
import pg from "pg";

export const database = new pg.Pool({ connectionString: process.env.DATABASE_URL });

export const auth = betterAuth({
  database,
  baseURL: `http://127.0.0.1:${process.env.PORT}`,
  secret: "bench-only: Xq7 pZ2 wL9 kT4 vR8 mB3 nC6",
  emailAndPassword: { enabled: true },
  plugins: [admin(), bearer()],
  rateLimit: { enabled: false },
  telemetry: { enabled: false },
});
