/** Writes log lines as JSON on standard error, where the host reads them. */
export interface Log {
  info(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  error(message: string, fields?: Record<string, unknown>): void;
}

function line(level: string) {
  return (msg: string, fields: Record<string, unknown> = {}): void => {
    process.stderr.write(`${JSON.stringify({ time: new Date().toISOString(), level, msg, ...fields }, plain)}\n`);
  };
}

function plain(_: string, value: unknown): unknown {
  if (value instanceof Error) return value.stack ?? String(value);
  return typeof value === "bigint" ? String(value) : value;
}

export const log: Log = { info: line("INFO"), warn: line("WARN"), error: line("ERROR") };
