"""HTTP to services elsewhere: the common part of finance, providers and the webhook. What an answer means is not here."""
