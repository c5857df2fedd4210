import { afterEach, beforeEach, describe, expect, it } from '@jest/globals';
import SQLite from 'better-sqlite3';
import { KeptStatements } from '../../src/database/kept-statements.ts';

let file: SQLite.Database;
let kept: KeptStatements;
beforeEach(() => {
  file = new SQLite(':memory:');
  file.exec('create table things (name text); insert into things values (1), (2), (3)');
  kept = new KeptStatements(file);
});
afterEach(() => {
  kept.close();
});

describe('statements of SQLite', () => {
  it('are prepared once', () => {
    const first = kept.prepare('select name from things where name = ?');
    expect(kept.prepare('select name from things where name = ?')).toBe(first);
    expect(first.all(['2'])).toEqual([{ name: '2' }]);
    expect(first.all(['3'])).toEqual([{ name: '3' }]);
  });

  it('are prepared anew while their rows are still being read', () => {
    const sql = 'select name from things order by name';
    const rows = kept.prepare(sql).iterate([]);
    expect(rows.next().value).toEqual({ name: '1' });
    expect(kept.prepare(sql).all([])).toHaveLength(3);
    expect(rows.next().value).toEqual({ name: '2' });
    rows.return?.();
  });

  it('see a table that has changed since', () => {
    const sql = 'select * from things where name = ?';
    kept.prepare(sql).all(['1']);
    file.exec("alter table things add column size text default 'small'");
    expect(kept.prepare(sql).all(['1'])).toEqual([{ name: '1', size: 'small' }]);
  });

  it('are forgotten when there are too many, the one that was used longest ago first', () => {
    const used = kept.prepare('select 1');
    const unused = kept.prepare('select 2');
    for (let number = 3; number < 302; number += 1) {
      kept.prepare('select 1');
      kept.prepare(`select ${number}`);
    }
    expect(kept.prepare('select 1')).toBe(used);
    expect(kept.prepare('select 2')).not.toBe(unused);
  });
});
