DROP TABLE order_discounts;
--;;
DROP TABLE discounts;
