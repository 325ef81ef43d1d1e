"""Raw configuration: lines of HAProxy's language that services and operators bring, judged before it reads them."""
