"""Reading requests: strict JSON, fields, schemas, cursors."""
