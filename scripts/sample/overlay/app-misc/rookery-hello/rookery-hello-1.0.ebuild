# Distributed under the terms of the MIT license

EAPI=8

DESCRIPTION="Sample program that prints what its library was compiled for"
HOMEPAGE="https://rookery.example/"
S="${WORKDIR}"

LICENSE="MIT"
SLOT="0"
KEYWORDS="amd64 arm arm64 ppc64 riscv x86"

DEPEND="dev-libs/librookery:="
RDEPEND="${DEPEND}"

src_unpack() {
	cp "${FILESDIR}"/{Makefile,hello.c} "${S}" || die
}

src_compile() {
	local libdir="${EPREFIX}/usr/$(get_libdir)"
	emake CC="${CC:-cc}" CPPFLAGS="-I${EPREFIX}/usr/include" LDFLAGS="${LDFLAGS} -L${libdir}" \
		PREFIX="${EPREFIX}/usr" LIBDIR="${libdir}"
}

src_install() {
	emake DESTDIR="${D}" PREFIX="${EPREFIX}/usr" LIBDIR="${EPREFIX}/usr/$(get_libdir)" install
}
