"""Files and databases: opening, transactions, schemas, who works in a data folder."""
