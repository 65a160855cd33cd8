CREATE INDEX products_title_idx ON products (lower(title) text_pattern_ops) WHERE active;
