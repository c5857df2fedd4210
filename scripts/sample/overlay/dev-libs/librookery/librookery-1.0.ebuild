# Distributed under the terms of the MIT license

EAPI=8

DESCRIPTION="Sample library that knows what it was compiled for"
HOMEPAGE="https://rookery.example/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0/1"
KEYWORDS="amd64 arm arm64 ppc64 riscv x86"

src_unpack() {
	cp "${FILESDIR}"/{Makefile,rookery.c,rookery.h} "${S}" || die
}

src_compile() {
	emake CC="${CC:-cc}" PREFIX="${EPREFIX}/usr" LIBDIR="${EPREFIX}/usr/$(get_libdir)"
}

src_install() {
	emake DESTDIR="${D}" PREFIX="${EPREFIX}/usr" LIBDIR="${EPREFIX}/usr/$(get_libdir)" install
}
