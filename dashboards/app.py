"""The λ explorer: which pages there are, and what all of them share."""

from __future__ import annotations

from functools import partial

import streamlit as st

from explorer.context import Context
from explorer.pages import PAGES
from explorer.service import remember_address

st.set_page_config(page_title="λ explorer", page_icon="λ", layout="wide")
context = Context.here()
pages = {
    page.path: st.Page(partial(page.show, context), title=page.title, url_path=page.path, default=page is PAGES[0])
    for page in PAGES
}
page = st.navigation(list(pages.values()))
context.choose()
remember_address()
wanted = st.query_params.get("page")
if wanted in pages and pages[wanted] != page:
    st.switch_page(pages[wanted])
page.run()
