CREATE TABLE categories (
    id        uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    parent_id uuid REFERENCES categories (id),
    slug      varchar(80) NOT NULL UNIQUE,
    title     varchar(120) NOT NULL
);
--;;
CREATE TABLE products (
    id          uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    category_id uuid REFERENCES categories (id),
    sku         varchar(40) NOT NULL UNIQUE,
    title       varchar(160) NOT NULL,
    description text NOT NULL DEFAULT '',
    active      boolean NOT NULL DEFAULT true,
    created_at  timestamptz NOT NULL DEFAULT now()
);
--;;
CREATE INDEX products_category_id_idx ON products (category_id);
--;;
CREATE TABLE product_images (
    id         uuid PRIMARY KEY DEFAULT gen_random_uuid(),
    product_id uuid NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    position   smallint NOT NULL DEFAULT 1 CHECK (position > 0),
    path       varchar(200) NOT NULL
);
--;;
CREATE TABLE product_prices (
    product_id  uuid NOT NULL REFERENCES products (id) ON DELETE CASCADE,
    currency    char(3) NOT NULL,
    price_cents bigint NOT NULL CHECK (price_cents >= 0),
    valid_from  timestamptz NOT NULL DEFAULT now(),
    PRIMARY KEY (product_id, currency, valid_from)
);
