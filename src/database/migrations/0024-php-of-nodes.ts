export const name = '0024-php-of-nodes';

/** The PHP trees that a node has: docs/decisions/0025. Null in a report of a node that has not said it. */
export const statements: readonly string[] = ['alter table node_reports add column php_json text'];
