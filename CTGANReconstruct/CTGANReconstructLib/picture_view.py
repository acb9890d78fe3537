"""A QGraphicsView as a place for one picture, on which a rectangle can be drawn."""

from collections.abc import Callable

import qt


class PictureView:
    """Shows a picture as large as it fits, or nothing.

    Attributes:
        pixmap: what is shown.
    """

    def __init__(
        self, view: qt.QGraphicsView, onSelected: Callable[[float, float, float, float], None] | None = None
    ) -> None:
        """Take over the widget.

        Args:
            view: whose drag mode is that of a rubber band, where ``onSelected`` is given.
            onSelected: called with left, top, right and bottom of a rectangle that was drawn, in pixels of the picture.
        """
        self._view, self._onSelected = view, onSelected
        self.pixmap: qt.QPixmap | None = None
        self._scene = qt.QGraphicsScene(view)  # goes with the view
        self._corners: tuple[float, float, float, float] | None = None
        self._later = qt.QTimer()  # a view that has just become visible has its size a moment later
        self._later.setSingleShot(True)
        self._later.interval = 0
        self._later.timeout.connect(self._fit)
        view.setScene(self._scene)
        if onSelected:
            view.connect("rubberBandChanged(QRect,QPointF,QPointF)", self._onRubberBand)

    def show(self, pixmap: qt.QPixmap | None) -> None:
        """Show a picture; None for nothing."""
        self.pixmap = pixmap
        self._scene.clear()
        if pixmap is not None:
            self._scene.addPixmap(pixmap)
            self._scene.setSceneRect(0, 0, pixmap.width(), pixmap.height())
            self._fit()
            self._later.start()

    def _fit(self) -> None:
        if self.pixmap is not None:
            self._view.fitInView(0, 0, self.pixmap.width(), self.pixmap.height(), qt.Qt.KeepAspectRatio)

    def _onRubberBand(self, rectangle: qt.QRect, first: qt.QPointF, last: qt.QPointF) -> None:
        """Called as the rectangle is drawn, and with an empty one when it is done."""
        if not rectangle.isNull():
            xs, ys = sorted((first.x(), last.x())), sorted((first.y(), last.y()))
            self._corners = xs[0], ys[0], xs[1], ys[1]
        elif self._corners is not None:
            corners, self._corners = self._corners, None
            self._onSelected(*corners)


def pixmapOf(png: bytes) -> qt.QPixmap:
    """The picture of a PNG file's content."""
    pixmap = qt.QPixmap()
    pixmap.loadFromData(qt.QByteArray(png), "PNG")
    return pixmap


def withMap(pixmap: qt.QPixmap, gray: qt.QPixmap) -> qt.QPixmap:
    """A picture with red where another one of the same size is bright."""
    red = qt.QImage(pixmap.width(), pixmap.height(), qt.QImage.Format_ARGB32)
    red.fill(qt.QColor("red"))
    red.setAlphaChannel(gray.toImage())
    return _painted(pixmap, lambda painter: painter.drawImage(0, 0, red))


def withRectangle(pixmap: qt.QPixmap, left: int, top: int, right: int, bottom: int) -> qt.QPixmap:
    """A picture with a yellow frame."""

    def paint(painter: qt.QPainter) -> None:
        painter.setPen(qt.QColor("yellow"))
        painter.drawRect(left, top, right - left - 1, bottom - top - 1)

    return _painted(pixmap, paint)


def _painted(pixmap: qt.QPixmap, paint: Callable[[qt.QPainter], None]) -> qt.QPixmap:
    result = pixmap.copy()
    painter = qt.QPainter(result)
    paint(painter)
    painter.end()
    return result
