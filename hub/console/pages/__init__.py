"""The pages beside what is measured and judged: users, people told, maintenance windows, the audit trail."""
