"""Speed, measured side by side: each file is run by itself, prints a table, and writes results/<name>.json and .png."""
