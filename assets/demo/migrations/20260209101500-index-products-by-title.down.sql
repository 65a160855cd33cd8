DROP INDEX products_title_idx;
