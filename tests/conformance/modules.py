"""Which of CPython's test files run in the guest.

Chosen: the language itself and modules that compute, parse or format. Left out: what needs threads,
processes, sockets, terminals or a compiler in every test, and tests of other platforms.
"""

from __future__ import annotations

from typing import Final

_SELECTED: Final = """
test_abc test_abstract_numbers test_argparse test_array test_ast test_asyncgen test_augassign
test_base64 test_baseexception test_binascii test_binop test_bisect test_bool test_bufio
test_builtin test_bytes test_calendar test_call test_charmapcodec test_class test_cmath
test_codeccallbacks test_codecs test_codeop test_collections test_colorsys test_compare
test_compile test_complex test_configparser test_contains test_context test_contextlib
test_contextlib_async test_copy test_copyreg test_coroutines test_csv test_dataclasses
test_datetime test_decimal test_decorators test_defaultdict test_deque test_descr test_dict
test_dictcomps test_dictviews test_difflib test_dynamicclassattribute test_email test_enum
test_enumerate test_except_star test_exception_group test_exceptions test_extcall test_float
test_fnmatch test_format test_fractions test_fstring test_funcattrs test_functools
test_generators test_genericalias test_genexps test_getopt test_gettext test_graphlib
test_grammar test_gzip test_hash test_hashlib test_heapq test_hmac test_html test_htmlparser
test_http_cookies test_index test_inspect test_int test_int_literal test_io test_ipaddress
test_isinstance test_iter test_iterlen test_itertools test_json test_keyword
test_keywordonlyarg test_linecache test_list test_listcomps test_logging test_long test_marshal
test_math test_memoryio test_memoryview test_metaclass test_mimetypes test_minidom
test_named_expressions test_netrc test_numeric_tower test_opcodes test_operator test_optparse
test_ordered_dict test_pathlib test_patma test_peepholer test_pickle test_pickletools
test_plistlib test_posixpath test_pow test_pprint test_print test_property test_pulldom
test_quopri test_raise test_random test_range test_re test_reprlib test_richcmp test_sax
test_sched test_scope test_secrets test_set test_setcomps test_shelve test_shlex test_slice
test_sort test_sqlite3 test_statistics test_str test_strftime test_string test_string_literals
test_stringprep test_strptime test_strtod test_struct test_structseq test_subclassinit
test_super test_symtable test_syntax test_tarfile test_tempfile test_textwrap test_time
test_tokenize test_tomllib test_traceback test_tuple test_type_annotations test_type_params
test_typechecks test_types test_typing test_ucn test_unary test_unicode_identifiers
test_unicodedata test_unpack test_unpack_ex test_unparse test_urllib test_urlparse
test_userdict test_userlist test_userstring test_utf8source test_uuid test_warnings test_wave
test_weakref test_weakset test_with test_xml_dom_minicompat test_xml_etree test_xml_etree_c
test_yield_from test_zipfile test_zipimport test_zlib test_zoneinfo
"""

_QUICK: Final = """
test_bisect test_json test_re test_collections test_fractions test_struct test_textwrap
test_heapq test_base64 test_string test_copy test_itertools
test_functools test_dataclasses
"""

#: Files, or packages of files, below CPython's `Lib/test`.
SELECTED: Final = tuple(_SELECTED.split())
#: Some seconds in all, run with every other test of ours: numbers, text, containers, patterns.
QUICK: Final = tuple(_QUICK.split())
