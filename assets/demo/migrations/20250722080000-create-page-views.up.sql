CREATE TABLE page_views (
    viewed_at   timestamptz NOT NULL DEFAULT now(),
    visitor     uuid NOT NULL,
    path        varchar(200) NOT NULL,
    details     jsonb NOT NULL DEFAULT '{}'
);
--;;
CREATE INDEX page_views_viewed_at_idx ON page_views (viewed_at);
