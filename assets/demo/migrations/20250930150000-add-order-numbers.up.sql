ALTER TABLE orders ADD COLUMN order_number varchar(20);
--;;
CREATE UNIQUE INDEX orders_order_number_key ON orders (order_number);
