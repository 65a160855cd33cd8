DROP TABLE product_prices;
--;;
DROP TABLE product_images;
--;;
DROP TABLE products;
--;;
DROP TABLE categories;
